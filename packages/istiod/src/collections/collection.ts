// SPDX-License-Identifier: Apache-2.0
import type { Change } from "@ambientmesh/core";
import { CollectionIndex } from "./collection-index.ts";
import { WatchTable } from "./watch.ts";

type Listener<T> = (changes: readonly Change<T>[]) => void;

/** Changes that are told at once: some milliseconds' worth of encoding. */
const PORTION = 250;

/**
 * A set of immutable objects by key. Replacing an object is a change; mutating one is a mistake that nobody notices.
 * Sources and derived collections build on it.
 */
export class Collection<T> {
  readonly name: string;
  /** 0 for a source, otherwise one more than the highest level it reads: collections settle in this order. */
  readonly level: number;
  readonly watches: WatchTable<T> = new WatchTable();
  readonly #items = new Map<string, T>();
  readonly #indexes: CollectionIndex<T>[] = [];
  readonly #followers: ((key: string) => void)[] = [];
  readonly #subscribers = new Set<Listener<T>>();
  /** For each key changed since the last publication: what was there at that time. */
  readonly #published = new Map<string, T | undefined>();

  constructor(name: string, level: number) {
    this.name = name;
    this.level = level;
  }

  get size(): number {
    return this.#items.size;
  }

  get(key: string): T | undefined {
    return this.#items.get(key);
  }

  /** In no particular order. */
  entries(): IterableIterator<[string, T]> {
    return this.#items.entries();
  }

  /** In no particular order. */
  values(): IterableIterator<T> {
    return this.#items.values();
  }

  /** A second way to find the objects: each is listed under every value that `valuesOf` gives for it. */
  index(name: string, valuesOf: (item: T) => Iterable<string>): CollectionIndex<T> {
    const index = new CollectionIndex(this, name, valuesOf);
    for (const [key, item] of this.#items) index.change(key, undefined, item);
    this.#indexes.push(index);
    return index;
  }

  /** Called for each publication that has something to tell, with one change per key; several times if there is much. */
  subscribe(listener: Listener<T>): Disposable {
    this.#subscribers.add(listener);
    return { [Symbol.dispose]: () => void this.#subscribers.delete(listener) };
  }

  /** For collections derived from this one: called at once with each key that changes. */
  follow(follower: (key: string) => void): void {
    this.#followers.push(follower);
    for (const key of this.#items.keys()) follower(key);
  }

  /**
   * Tells the subscribers what has changed since the last time; what came and went in between is not told.
   * False if `shouldPause` said to go on later.
   */
  publish(shouldPause: () => boolean): boolean {
    let changes: Change<T>[] = [];
    for (const [key, before] of this.#published) {
      this.#published.delete(key);
      const after = this.#items.get(key);
      if (before === after) continue;
      changes.push({ key, ...(before !== undefined && { before }), ...(after !== undefined && { after }) });
      if (changes.length < PORTION) continue;
      this.#tell(changes);
      changes = [];
      if (shouldPause()) return this.#published.size === 0;
    }
    this.#tell(changes);
    return true;
  }

  #tell(changes: readonly Change<T>[]): void {
    if (changes.length === 0) return;
    for (const subscriber of this.#subscribers) subscriber(changes);
  }

  /** Puts an object, or removes it (undefined), and tells everything that depends on it. */
  protected replace(key: string, after: T | undefined): void {
    const before = this.#items.get(key);
    if (before === after) return;
    if (!this.#published.has(key)) this.#published.set(key, before);
    if (after === undefined) this.#items.delete(key);
    else this.#items.set(key, after);
    for (const index of this.#indexes) index.change(key, before, after);
    this.watches.notify(key, before, after);
    for (const follower of this.#followers) follower(key);
  }
}

/** A collection that is filled from outside. */
export class SourceCollection<T> extends Collection<T> {
  constructor(name: string) {
    super(name, 0);
  }

  set(key: string, item: T): void {
    this.replace(key, item);
  }

  delete(key: string): void {
    this.replace(key, undefined);
  }
}
