// SPDX-License-Identifier: Apache-2.0
import { toMeshError, type MeshError } from "../errors.ts";

/** What a task group tells its owner. */
export interface TaskGroupOptions {
  /** A task failed by itself (not because the group was disposed). Called once per task. */
  readonly onCrash: (task: string, error: MeshError) => void;
}

/**
 * The owner of background loops. Each gets the group's signal and ends when it aborts;
 * no loop outlives the group and no failure stays unseen.
 */
export class TaskGroup implements AsyncDisposable {
  readonly #abort = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #options: TaskGroupOptions;

  constructor(options: TaskGroupOptions) {
    this.#options = options;
  }

  /** Aborts when the group is disposed. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** How many tasks have not ended yet. */
  get size(): number {
    return this.#running.size;
  }

  /** Starts a task. After the group was disposed it is not run at all. */
  run(name: string, task: (signal: AbortSignal) => Promise<void>): void {
    if (this.signal.aborted) return;
    const running: Promise<void> = Promise.resolve()
      .then(() => task(this.signal))
      .catch((error: unknown) => {
        if (!this.signal.aborted) this.#options.onCrash(name, toMeshError(error));
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Aborts every task and waits until all have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort();
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
