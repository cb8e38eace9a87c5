// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import type { CniPlugin } from "./cni-plugin.ts";

/** Which nodes have the mesh's CNI plugin. */
export class PluginRegistry {
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #plugins = new Map<string, CniPlugin>();
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();
  #isClosed = false;

  /** @param patienceMs how long a pod waits for a plugin that is not there yet */
  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  /** The mesh ends: agents need not be told of each pod any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** From now on the plugin is called for each new pod of the node. */
  install(node: string, plugin: CniPlugin): void {
    this.#plugins.set(node, plugin);
    this.#waiting.get(node)?.resolve();
  }

  /** The node's plugin; undefined if there is none, or none in time. */
  async pluginOf(node: string, signal: AbortSignal): Promise<CniPlugin | undefined> {
    if (!this.#plugins.has(node) && this.#patienceMs > 0) {
      const installed = this.#waiting.get(node) ?? Promise.withResolvers<void>();
      this.#waiting.set(node, installed);
      const enough = new AbortController();
      const patience = this.#clock.sleep(this.#patienceMs, AbortSignal.any([signal, enough.signal]));
      await Promise.race([installed.promise, patience.catch(() => {})]);
      enough.abort();
    }
    return this.#plugins.get(node);
  }
}
