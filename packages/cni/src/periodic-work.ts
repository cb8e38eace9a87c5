// SPDX-License-Identifier: Apache-2.0
import { TaskGroup, type Clock, type Logger } from "@ambientmesh/core";

export interface PeriodicWorkOptions {
  /** For the log. */
  readonly name: string;
  readonly intervalMs: number;
  /** Should deal with its failures itself; what it throws is logged, and it is done again all the same. */
  readonly work: (signal: AbortSignal) => Promise<void>;
}

/** Something done again and again: after an interval, or as soon as somebody asks for it. Never twice at a time. */
export class PeriodicWork implements AsyncDisposable {
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  readonly #options: PeriodicWorkOptions;
  readonly #tasks: TaskGroup;
  #wanted = Promise.withResolvers<void>();

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }, options: PeriodicWorkOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => deps.logger.error("periodic work has ended", { task, error }),
    });
  }

  /** Does it for the first time, and so on. */
  start(): void {
    this.#tasks.run(this.#options.name, (signal) => this.#run(signal));
  }

  /** Has it done soon: after what is being done now, if it is. */
  wakeUp(): void {
    this.#wanted.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.wakeUp();
    await this.#tasks[Symbol.asyncDispose]();
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    const { name, intervalMs, work } = this.#options;
    const aborted = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => aborted.resolve(), { once: true });
    while (!signal.aborted) {
      this.#wanted = Promise.withResolvers();
      try {
        await work(signal);
      } catch (error) {
        if (!signal.aborted) logger.error("periodic work failed", { work: name, error });
      }
      const { promise: due, resolve } = Promise.withResolvers<void>();
      using _timer = clock.setTimer(intervalMs, resolve, { background: true });
      await Promise.race([this.#wanted.promise, due, aborted.promise]);
    }
  }
}
