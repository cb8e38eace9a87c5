// SPDX-License-Identifier: Apache-2.0
import { Backoff, TaskGroup, type Clock, type Logger, type Timer } from "@ambientmesh/core";

/** What a controller does. */
export interface ReconcilerOptions {
  readonly name: string;
  /** Brings what belongs to a key to its wanted state; rejects to be called again later. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<void>;
}

export interface ReconcilerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 5000;

/**
 * Works through keys one after the other. A key that is added while it waits is worked on once; one that fails comes
 * again after a growing delay.
 */
export class Reconciler implements AsyncDisposable {
  readonly #options: ReconcilerOptions;
  readonly #deps: ReconcilerDeps;
  readonly #tasks: TaskGroup;
  readonly #waiting = new Set<string>();
  readonly #failed = new Map<string, { readonly backoff: Backoff; timer: Timer | undefined }>();

  constructor(options: ReconcilerOptions, deps: ReconcilerDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => deps.logger.error("a controller stopped", { controller: options.name, task, error }),
    });
  }

  add(key: string): void {
    this.#waiting.add(key);
    if (this.#tasks.size === 0) this.#tasks.run("work", (signal) => this.#work(signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { timer } of this.#failed.values()) timer?.cancel();
    await this.#tasks[Symbol.asyncDispose]();
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (const key of this.#waiting) {
      if (signal.aborted) return;
      this.#waiting.delete(key);
      try {
        await this.#options.reconcile(key, signal);
        this.#failed.get(key)?.timer?.cancel();
        this.#failed.delete(key);
      } catch (error) {
        if (!signal.aborted) this.#retryLater(key, error);
      }
    }
  }

  #retryLater(key: string, error: unknown): void {
    const failed = this.#failed.get(key) ?? {
      backoff: new Backoff({ initialMs: FIRST_RETRY_MS, maxMs: LAST_RETRY_MS }),
      timer: undefined,
    };
    this.#failed.set(key, failed);
    const delayMs = failed.backoff.next();
    failed.timer?.cancel();
    failed.timer = this.#deps.clock.setTimer(delayMs, () => this.add(key), { background: true });
    this.#deps.logger.debug("will be tried again", { controller: this.#options.name, key, delayMs, error });
  }
}
