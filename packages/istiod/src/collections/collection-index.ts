// SPDX-License-Identifier: Apache-2.0
import { WatchTable } from "./watch.ts";

/** Objects of a collection by something else than their key; made by `Collection.index`. */
export class CollectionIndex<T> {
  readonly name: string;
  readonly level: number;
  readonly watches: WatchTable<T> = new WatchTable();
  readonly #valuesOf: (item: T) => Iterable<string>;
  /** By value, then by key. */
  readonly #items = new Map<string, Map<string, T>>();

  constructor(
    collection: { readonly name: string; readonly level: number },
    name: string,
    valuesOf: (item: T) => Iterable<string>,
  ) {
    this.name = `${collection.name} by ${name}`;
    this.level = collection.level;
    this.#valuesOf = valuesOf;
  }

  /** The objects listed under a value, in no particular order. */
  lookup(value: string): Iterable<T> {
    return this.#items.get(value)?.values() ?? [];
  }

  /** For the collection: one of its objects is another now. */
  change(key: string, before: T | undefined, after: T | undefined): void {
    const old = new Set(before === undefined ? [] : this.#valuesOf(before));
    const current = new Set(after === undefined ? [] : this.#valuesOf(after));
    for (const value of old) if (!current.has(value)) this.#remove(value, key);
    if (after !== undefined) for (const value of current) this.#put(value, key, after);
    for (const value of new Set([...old, ...current])) this.watches.notify(value, before, after);
  }

  #put(value: string, key: string, item: T): void {
    const items = this.#items.get(value);
    if (items) items.set(key, item);
    else this.#items.set(value, new Map([[key, item]]));
  }

  #remove(value: string, key: string): void {
    const items = this.#items.get(value);
    if (items?.delete(key) && items.size === 0) this.#items.delete(value);
  }
}
