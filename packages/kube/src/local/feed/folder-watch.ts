// SPDX-License-Identifier: Apache-2.0
import { watch, type FSWatcher } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "@ambientmesh/core";

/** When to look again. */
export interface FolderWatchOptions {
  /** Quiet time after a change, so that files are not read half-written, in ms. */
  readonly debounceMs: number;
  /** Longest wait while changes go on, in ms. */
  readonly maxWaitMs: number;
  /** Looks even without a sign, for file systems that give none, in ms. */
  readonly pollMs: number;
}

/** Tells when a folder may have changed. Knows nothing of what is in the files. */
export class FolderWatch implements Disposable {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #options: FolderWatchOptions;
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();
  #debounce: Timer | undefined;
  #deadline: Timer | undefined;
  #poll: Timer | undefined;

  constructor(root: string, clock: Clock, options: FolderWatchOptions, onChange: () => void) {
    this.#root = root;
    this.#clock = clock;
    this.#options = options;
    this.#onChange = onChange;
    this.#schedulePoll();
  }

  /** Watches exactly these directories (relative to the root) from now on. */
  follow(directories: readonly string[]): void {
    const wanted = new Set(directories);
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    for (const directory of wanted) if (!this.#watchers.has(directory)) this.#watch(directory);
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    for (const timer of [this.#debounce, this.#deadline, this.#poll]) timer?.cancel();
  }

  #watch(directory: string): void {
    const forget = (): void => {
      this.#watchers.get(directory)?.close();
      this.#watchers.delete(directory);
      this.#touched();
    };
    try {
      const watcher = watch(join(this.#root, directory), { persistent: false }, () => this.#touched());
      watcher.on("error", forget);
      this.#watchers.set(directory, watcher);
    } catch {
      // Gone again, or no watches left on this machine: polling finds changes too.
      return;
    }
  }

  #touched(): void {
    const { debounceMs, maxWaitMs } = this.#options;
    this.#debounce?.cancel();
    this.#debounce = this.#clock.setTimer(debounceMs, () => this.#fire());
    this.#deadline ??= this.#clock.setTimer(maxWaitMs, () => this.#fire());
  }

  #fire(): void {
    this.#debounce?.cancel();
    this.#deadline?.cancel();
    this.#debounce = undefined;
    this.#deadline = undefined;
    this.#onChange();
  }

  #schedulePoll(): void {
    this.#poll = this.#clock.setTimer(
      this.#options.pollMs,
      () => {
        this.#schedulePoll();
        this.#onChange();
      },
      { background: true },
    );
  }
}
