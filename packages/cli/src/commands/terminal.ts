// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";

/** Where commands write. Results go to standard output, everything else to standard error. */
export interface Terminal {
  result(text: string): void;
  tell(text: string): void;
}

/** The terminal of this process. A reader that went away must not end a mesh that has to be cleaned up. */
export function processTerminal(): Terminal {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  return {
    result: (text) => void process.stdout.write(`${text}\n`),
    tell: (text) => void process.stderr.write(`${text}\n`),
  };
}

/** Tells what was done, with the time since the start. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #startedAtMs: number;

  constructor(terminal: Terminal, clock: Clock) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#startedAtMs = clock.monotonicMs();
  }

  tell(text: string): void {
    const seconds = ((this.#clock.monotonicMs() - this.#startedAtMs) / 1000).toFixed(1);
    this.#terminal.tell(`${seconds.padStart(6)} s  ${text}`);
  }
}

/** Columns as wide as their longest cell, two blanks apart. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
