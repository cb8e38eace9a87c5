// SPDX-License-Identifier: Apache-2.0
import { closeSync, copyFileSync, openSync, readSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "@ambientmesh/core";

const MAX_BYTES = 10 * 1024 * 1024;
const CHECK_MS = 2000;

/**
 * Keeps logs from filling the disk. Programs write to their files directly, so a file that has grown too large is copied to
 * `NAME.1` and emptied; what is written between the two is lost.
 */
export class LogFiles implements Disposable {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  #timer: Timer;

  constructor(directory: string, clock: Clock, maxBytes: number = MAX_BYTES) {
    this.#directory = directory;
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#timer = this.#schedule();
  }

  /** Removes the logs of a pod that is gone. */
  remove(namespace: string, pod: string): void {
    for (const name of readdirSync(this.#directory)) {
      if (name.startsWith(`${namespace}_${pod}_`)) rmSync(join(this.#directory, name), { force: true });
    }
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
  }

  #schedule(): Timer {
    return this.#clock.setTimer(
      CHECK_MS,
      () => {
        this.#rotate();
        this.#timer = this.#schedule();
      },
      { background: true },
    );
  }

  #rotate(): void {
    for (const name of readdirSync(this.#directory).filter((file) => file.endsWith(".log"))) {
      const path = join(this.#directory, name);
      if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) <= this.#maxBytes) continue;
      copyFileSync(path, `${path}.1`);
      truncateSync(path);
    }
  }
}

/** What fits into a status. */
const MAX_LINE_BYTES = 1024;

/** The last line of a log that has text in it, or its end if it is long; undefined if there is none. */
export function lastLine(path: string): string | undefined {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return undefined;
  const fd = openSync(path, "r");
  try {
    const buffer = Buffer.alloc(Math.min(size, MAX_LINE_BYTES));
    const length = readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    const lines = buffer.toString("utf8", 0, length).split("\n");
    return lines.findLast((line) => line.trim() !== "")?.trim();
  } finally {
    closeSync(fd);
  }
}
