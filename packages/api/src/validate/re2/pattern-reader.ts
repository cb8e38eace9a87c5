// SPDX-License-Identifier: Apache-2.0

/** Reads a pattern from left to right. */
export class PatternReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get isDone(): boolean {
    return this.#at >= this.#text.length;
  }

  /** Whether `text` comes next. */
  sees(text: string): boolean {
    return this.#text.startsWith(text, this.#at);
  }

  /** Takes what a sticky expression finds at this place. */
  take(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#at;
    const found = expression.exec(this.#text);
    if (found) this.#at += found[0].length;
    return found ?? undefined;
  }

  /** Takes one character; empty at the end. */
  takeCharacter(): string {
    return this.take(/[^]/uy)?.[0] ?? "";
  }
}
