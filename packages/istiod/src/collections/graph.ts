// SPDX-License-Identifier: Apache-2.0
import { SourceCollection, type Collection } from "./collection.ts";
import { DerivedCollection, type Derivation, type OnFailure, type Settling } from "./derived-collection.ts";
import { GroupCollection, type Grouping } from "./group-collection.ts";
import { UnionCollection } from "./union-collection.ts";

interface Publishing {
  readonly name: string;
  readonly size: number;
  readonly level: number;
  publish(shouldPause: () => boolean): boolean;
}

/**
 * Collections that depend on each other. Changes of sources are remembered; {@link settle} brings every derived
 * collection up to date, lower levels first, so that nothing is derived from a half-applied state or twice in a batch.
 *
 * @example
 * const graph = new CollectionGraph(onFailure);
 * const pods = graph.source<Pod>("pods");
 * const nodes = graph.source<Node>("nodes");
 * const zones = graph.derive({
 *   name: "zones", from: pods, reads: [nodes], equals: Object.is,
 *   derive: (pod, fetch, key) => [[key, fetch.one(nodes, pod.nodeName)?.zone ?? ""]],
 * });
 * pods.set("a/b", pod);
 * graph.settle();
 */
export class CollectionGraph {
  readonly #onFailure: OnFailure;
  readonly #collections: Publishing[] = [];
  readonly #derived: { invalidateAll(): void }[] = [];
  /** By level, ascending. */
  readonly #settling: (Settling & Publishing)[] = [];

  constructor(onFailure: OnFailure) {
    this.#onFailure = onFailure;
  }

  source<T>(name: string): SourceCollection<T> {
    const source = new SourceCollection<T>(name);
    this.#collections.push(source);
    return source;
  }

  derive<In, Out>(derivation: Derivation<In, Out>): Collection<Out> {
    const collection = new DerivedCollection(derivation, this.#onFailure);
    this.#derived.push(collection);
    return this.#add(collection);
  }

  union<T>(name: string, parts: readonly Collection<T>[]): Collection<T> {
    return this.#add(new UnionCollection(name, parts));
  }

  group<T>(grouping: Grouping<T>): Collection<readonly T[]> {
    return this.#add(new GroupCollection(grouping));
  }

  /** Number of objects by collection, for metrics and debugging. */
  sizes(): Record<string, number> {
    return Object.fromEntries(this.#collections.map(({ name, size }) => [name, size]));
  }

  /**
   * Works until everything derived is up to date (true) or `shouldPause` says to go on later (false).
   * Sources may change between two calls; the final state is the same.
   */
  work(shouldPause: () => boolean): boolean {
    for (let next = this.#lowestDirty(); next; next = this.#lowestDirty()) {
      while (next.isDirty) {
        next.settleOne();
        if (shouldPause()) return this.#lowestDirty() === undefined;
      }
    }
    return true;
  }

  /** Derives everything again: something has changed that derivations know without having read it. */
  invalidate(): void {
    for (const collection of this.#derived) collection.invalidateAll();
  }

  /** Brings everything up to date and tells the subscribers. */
  settle(): void {
    this.work(() => false);
    this.publish();
  }

  /**
   * Tells the subscribers what has changed since the last time (true), or goes on later if `shouldPause` says so (false): call it when
   * {@link work} is done, and until it is done itself don't work.
   */
  publish(shouldPause: () => boolean = () => false): boolean {
    for (const collection of this.#collections) if (!collection.publish(shouldPause)) return false;
    return true;
  }

  /** False while {@link work} has something to do. */
  get isSettled(): boolean {
    return this.#lowestDirty() === undefined;
  }

  #lowestDirty(): Settling | undefined {
    return this.#settling.find(({ isDirty }) => isDirty);
  }

  #add<C extends Settling & Publishing>(collection: C): C {
    this.#collections.push(collection);
    const at = this.#settling.findIndex(({ level }) => level > collection.level);
    this.#settling.splice(at < 0 ? this.#settling.length : at, 0, collection);
    return collection;
  }
}
