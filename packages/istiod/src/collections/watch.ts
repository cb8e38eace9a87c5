// SPDX-License-Identifier: Apache-2.0

/** Somebody whose object has to be derived again when something it read changes. */
export interface Watcher {
  invalidate(inputKey: string): void;
}

/** One remembered read: the input `inputKey` of `watcher` looked at `value`, at objects that satisfy `where`. */
export class Watch<T> {
  readonly watcher: Watcher;
  readonly inputKey: string;
  where: ((item: T) => boolean) | undefined;
  readonly #table: WatchTable<T>;
  readonly #value: string;

  constructor(table: WatchTable<T>, value: string, by: { readonly watcher: Watcher; readonly inputKey: string }) {
    this.#table = table;
    this.#value = value;
    this.watcher = by.watcher;
    this.inputKey = by.inputKey;
  }

  /** True if it remembers a read of this value there. */
  isOf(table: unknown, value: string): boolean {
    return this.#table === table && this.#value === value;
  }

  forget(): void {
    this.#table.remove(this.#value, this);
  }
}

/** Who looked at which key or index value. A value has an entry only while somebody watches it. */
export class WatchTable<T> {
  readonly #byValue = new Map<string, Set<Watch<T>>>();

  add(value: string, by: { readonly watcher: Watcher; readonly inputKey: string }): Watch<T> {
    const watch = new Watch(this, value, by);
    const watches = this.#byValue.get(value);
    if (watches) watches.add(watch);
    else this.#byValue.set(value, new Set([watch]));
    return watch;
  }

  remove(value: string, watch: Watch<T>): void {
    const watches = this.#byValue.get(value);
    if (watches?.delete(watch) && watches.size === 0) this.#byValue.delete(value);
  }

  /** Tells those who looked at `value` and can see a difference between the two states. */
  notify(value: string, before: T | undefined, after: T | undefined): void {
    for (const { watcher, inputKey, where } of this.#byValue.get(value) ?? []) {
      const isSeen = !where || (before !== undefined && where(before)) || (after !== undefined && where(after));
      if (isSeen) watcher.invalidate(inputKey);
    }
  }
}
