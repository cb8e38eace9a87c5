// SPDX-License-Identifier: Apache-2.0

/** Several values under one key, in the order they were added. Empty keys vanish. */
export class MultiMap<T> {
  readonly #values = new Map<string, T[]>();

  get(key: string): readonly T[] {
    return this.#values.get(key) ?? [];
  }

  /** Adds a value; `rank` (higher first) orders it among the values of the key. */
  add(key: string, value: T, rank?: (value: T) => number): void {
    const values = this.#values.get(key);
    if (values === undefined) {
      this.#values.set(key, [value]);
      return;
    }
    const at = rank === undefined ? -1 : values.findIndex((other) => rank(other) < rank(value));
    if (at < 0) values.push(value);
    else values.splice(at, 0, value);
  }

  /** Removes the first value under the key that is this very object. */
  delete(key: string, value: T): void {
    const values = this.#values.get(key);
    const at = values?.indexOf(value) ?? -1;
    if (values === undefined || at < 0) return;
    if (values.length === 1) this.#values.delete(key);
    else values.splice(at, 1);
  }

  get size(): number {
    return this.#values.size;
  }
}
