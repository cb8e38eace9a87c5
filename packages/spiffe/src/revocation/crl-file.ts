// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import { silentLogger, type Clock, type Logger } from "@ambientmesh/core";
import { FileWatcher } from "../files/file-watcher.ts";
import { RevocationSet, type RevocationSource } from "./revocation-set.ts";

/**
 * The revocation lists of a file (PEM with any number, DER, or empty) that may be missing, come later and change.
 * What can't be read is logged and changes nothing: at the start nothing is revoked, later the lists from before stay in force.
 */
export class CrlFile implements RevocationSource, AsyncDisposable {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #watcher: FileWatcher;
  readonly #listeners = new Set<(set: RevocationSet) => void>();
  #current = RevocationSet.EMPTY;

  constructor(
    deps: { readonly clock?: Clock; readonly logger?: Logger },
    options: { readonly path: string; readonly intervalMs?: number },
  ) {
    const { logger = silentLogger } = deps;
    this.#path = options.path;
    this.#logger = logger;
    this.#watcher = new FileWatcher(deps, {
      paths: [options.path],
      ...(options.intervalMs !== undefined && { intervalMs: options.intervalMs }),
      onChange: async () => this.#load(),
    });
  }

  get current(): RevocationSet {
    return this.#current;
  }

  /** Reads the file and begins to watch it. */
  async start(): Promise<void> {
    await this.#watcher.start();
    await this.#load();
  }

  subscribe(listener: (set: RevocationSet) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watcher[Symbol.asyncDispose]();
  }

  async #load(): Promise<void> {
    try {
      this.#current = RevocationSet.parse(await readFile(this.#path), this.#path);
    } catch (error) {
      this.#logger.warn("revocation lists could not be read", { path: this.#path, kept: this.#current.size, error });
      return;
    }
    this.#logger.info("revocation lists were read", { path: this.#path, lists: this.#current.size });
    for (const listener of this.#listeners) listener(this.#current);
  }
}
