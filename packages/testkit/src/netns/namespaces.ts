// SPDX-License-Identifier: Apache-2.0
import { readdirSync, existsSync } from "node:fs";
import { NETNS_DIRECTORY, createNamedNetns, createNetns, deleteNamedNetns, type Netns } from "@ambientmesh/linux";

const OWN_NAME = /^mesh-(\d+)-/;

let networks = 0;

/**
 * The namespaces of one test network. Anonymous ones vanish with the process that holds them, however it ends; named ones
 * are removed on disposal, when the process exits, and (after SIGKILL) by the next run.
 */
export class Namespaces implements Disposable {
  readonly #prefix: string | undefined;
  readonly #namespaces: Netns[] = [];
  readonly #names: string[] = [];
  readonly #onExit = (): void => this[Symbol.dispose]();

  constructor(isNamed: boolean) {
    if (!isNamed) return;
    removeAbandonedNames();
    networks++;
    this.#prefix = `mesh-${process.pid}-${networks}-`;
    process.once("exit", this.#onExit);
  }

  create(name: string): Netns {
    const netns = this.#prefix === undefined ? createNetns() : this.#createNamed(this.#prefix + name);
    this.#namespaces.push(netns);
    return netns;
  }

  [Symbol.dispose](): void {
    process.removeListener("exit", this.#onExit);
    for (const name of this.#names.splice(0)) deleteNamedNetns(name);
    for (const netns of this.#namespaces.splice(0)) netns[Symbol.dispose]();
  }

  #createNamed(name: string): Netns {
    const netns = createNamedNetns(name);
    this.#names.push(name);
    return netns;
  }
}

function removeAbandonedNames(): void {
  const names = existsSync(NETNS_DIRECTORY) ? readdirSync(NETNS_DIRECTORY) : [];
  for (const name of names) {
    const pid = OWN_NAME.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) deleteNamedNetns(name);
  }
}
