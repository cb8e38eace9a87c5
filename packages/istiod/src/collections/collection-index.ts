// SPDX-License-Identifier: Apache-2.0
import { WatchTable } from "./watch.ts";

/** What an index needs of its collection. */
interface Indexed<T> {
  readonly name: string;
  readonly level: number;
  get(key: string): T | undefined;
}

/** Objects of a collection by something else than their key; made by `Collection.index`. */
export class CollectionIndex<T> {
  readonly name: string;
  readonly level: number;
  readonly watches: WatchTable<T> = new WatchTable();
  readonly #collection: Indexed<T>;
  readonly #valuesOf: (item: T) => Iterable<string>;
  readonly #keys = new Map<string, Set<string>>();

  constructor(collection: Indexed<T>, name: string, valuesOf: (item: T) => Iterable<string>) {
    this.name = `${collection.name} by ${name}`;
    this.level = collection.level;
    this.#collection = collection;
    this.#valuesOf = valuesOf;
  }

  /** The objects listed under a value, in no particular order. */
  *lookup(value: string): IterableIterator<T> {
    for (const key of this.#keys.get(value) ?? []) {
      const item = this.#collection.get(key);
      if (item !== undefined) yield item;
    }
  }

  /** For the collection: one of its objects is another now. */
  change(key: string, before: T | undefined, after: T | undefined): void {
    const old = new Set(before === undefined ? [] : this.#valuesOf(before));
    const current = new Set(after === undefined ? [] : this.#valuesOf(after));
    for (const value of old) if (!current.has(value)) this.#remove(value, key);
    for (const value of current) if (!old.has(value)) this.#insert(value, key);
    for (const value of new Set([...old, ...current])) this.watches.notify(value, before, after);
  }

  #insert(value: string, key: string): void {
    const keys = this.#keys.get(value);
    if (keys) keys.add(key);
    else this.#keys.set(value, new Set([key]));
  }

  #remove(value: string, key: string): void {
    const keys = this.#keys.get(value);
    if (keys?.delete(key) && keys.size === 0) this.#keys.delete(value);
  }
}
