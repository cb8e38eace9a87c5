// SPDX-License-Identifier: Apache-2.0

/** Keys that wait for work, each once, first in first out. */
export class DirtyKeys {
  readonly #keys = new Set<string>();
  /** Goes on where it stopped: a new iterator would walk over everything deleted before it, again for each key. */
  #iterator: SetIterator<string> | undefined;

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }

  add(key: string): void {
    this.#keys.add(key);
  }

  /** Takes the next key out; undefined if there is none. */
  take(): string | undefined {
    this.#iterator ??= this.#keys.values();
    const { value, done } = this.#iterator.next();
    if (done === true) {
      this.#iterator = undefined;
      return undefined;
    }
    this.#keys.delete(value);
    if (this.#keys.size === 0) this.#iterator = undefined;
    return value;
  }
}
