// SPDX-License-Identifier: Apache-2.0
import { stat } from "node:fs/promises";
import { TaskGroup, messageOf, silentLogger, systemClock, type Clock, type Logger } from "@ambientmesh/core";

/**
 * Calls back when any of some files has changed and then stayed the same for one interval.
 *
 * It looks instead of listening: a mounted ConfigMap changes by the swap of a symbolic link two folders up, files may come after the
 * program, and nodes run out of inotify watches; `stat` sees through all of that for microseconds every two seconds.
 */
export class FileWatcher implements AsyncDisposable {
  readonly #paths: readonly string[];
  readonly #onChange: () => Promise<void>;
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  readonly #intervalMs: number;
  readonly #tasks: TaskGroup;

  /** The callback is never called twice at a time. */
  constructor(
    deps: { readonly clock?: Clock; readonly logger?: Logger },
    options: {
      readonly paths: readonly string[];
      readonly intervalMs?: number;
      readonly onChange: () => Promise<void>;
    },
  ) {
    const { clock = systemClock, logger = silentLogger } = deps;
    this.#deps = { clock, logger };
    this.#paths = options.paths;
    this.#onChange = options.onChange;
    this.#intervalMs = options.intervalMs ?? 2000;
    this.#tasks = new TaskGroup({
      onCrash: (_task, error) => logger.error("watching files stopped", { paths: this.#paths, error }),
    });
  }

  /** Remembers how the files are and begins to watch. */
  async start(): Promise<void> {
    const seen = await this.#look();
    this.#tasks.run("watch files", async (signal) => this.#watch(seen, signal));
  }

  /** Stops watching; waits for a callback that runs. May be called twice. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
  }

  async #watch(seen: string, signal: AbortSignal): Promise<void> {
    let told = seen;
    for (let before = seen; ;) {
      await this.#deps.clock.sleep(this.#intervalMs, signal);
      const now = await this.#look();
      if (now !== told && now === before) {
        told = now;
        await this.#tell();
      }
      before = now;
    }
  }

  async #tell(): Promise<void> {
    try {
      await this.#onChange();
    } catch (error) {
      this.#deps.logger.warn("a changed file could not be used", { paths: this.#paths, error });
    }
  }

  /** Which files these are now, as a text that differs when any of them was replaced, written, made or removed. */
  async #look(): Promise<string> {
    const looks = this.#paths.map(async (path) => {
      try {
        const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
        return `${dev}:${ino}:${size}:${mtimeNs}`;
      } catch (error) {
        return `gone: ${messageOf(error)}`;
      }
    });
    return (await Promise.all(looks)).join("\n");
  }
}
