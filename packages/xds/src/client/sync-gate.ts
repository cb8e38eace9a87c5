// SPDX-License-Identifier: Apache-2.0
import { TaskGroup, abortedError, coreErrors, type Logger } from "@ambientmesh/core";

/** Runs a client's loop in the background and lets its starter wait for the initial sync. */
export class SyncGate implements AsyncDisposable {
  readonly #tasks: TaskGroup;
  readonly #synced = Promise.withResolvers<void>();

  constructor(log: Logger) {
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => {
        log.error("a discovery client crashed", { task, error });
        this.#synced.reject(error);
      },
    });
    // Whoever waits is told; that nobody waits is fine.
    this.#synced.promise.catch(() => {});
  }

  /** Everything that was waited for is here. */
  open(): void {
    this.#synced.resolve();
  }

  /**
   * Runs the loop and waits until the gate is open; gives up everything if the signal aborts first.
   * @throws MeshError ABORTED when the signal aborts, or the gate is disposed, before that
   */
  async start(loop: (signal: AbortSignal) => Promise<void>, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw abortedError(signal, "the initial sync");
    this.#tasks.run("discovery", loop);
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => {
      if (signal) aborted.reject(abortedError(signal, "the initial sync"));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.#synced.promise, aborted.promise]);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#synced.reject(coreErrors.create("ABORTED", "the client was disposed before its initial sync"));
    await this.#tasks[Symbol.asyncDispose]();
  }
}
