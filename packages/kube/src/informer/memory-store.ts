// SPDX-License-Identifier: Apache-2.0
import { abortedError, messageOf, type Change, type Logger } from "@ambientmesh/core";
import { IndexTable } from "./index-table.ts";
import type { Store, StoreIndex, StoreListener } from "./store.ts";

/** The store behind informers; whoever fills it calls {@link commit} and {@link markSynced}. */
export class MemoryStore<T> implements Store<T> {
  readonly #objects = new Map<string, T>();
  readonly #indexes: IndexTable<T>[] = [];
  readonly #listeners = new Set<StoreListener<T>>();
  readonly #synced = Promise.withResolvers<void>();
  readonly #logger: Logger;
  #isSynced = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get size(): number {
    return this.#objects.size;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  entries(): IterableIterator<[string, T]> {
    return this.#objects.entries();
  }

  index(valuesOf: (object: T) => Iterable<string>): StoreIndex<T> {
    const index = new IndexTable(valuesOf);
    for (const [key, after] of this.#objects) index.apply({ key, after });
    this.#indexes.push(index);
    return index;
  }

  subscribe(listener: StoreListener<T>): Disposable {
    if (this.#objects.size > 0) {
      this.#tell(
        listener,
        [...this.#objects].map(([key, after]) => ({ key, after })),
      );
    }
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async whenSynced(signal?: AbortSignal): Promise<void> {
    if (this.#isSynced) return;
    if (signal === undefined) return this.#synced.promise;
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(abortedError(signal, "waiting for a store to be filled"));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await Promise.race([this.#synced.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Takes changes that belong together; `before` must be what the store has. */
  commit(changes: readonly Change<T>[]): void {
    if (changes.length === 0) return;
    for (const change of changes) {
      if (change.after === undefined) this.#objects.delete(change.key);
      else this.#objects.set(change.key, change.after);
      for (const index of this.#indexes) index.apply(change);
    }
    for (const listener of this.#listeners) this.#tell(listener, changes);
  }

  markSynced(): void {
    this.#isSynced = true;
    this.#synced.resolve();
  }

  // One listener's fault must not keep others from seeing a change.
  #tell(listener: StoreListener<T>, changes: readonly Change<T>[]): void {
    try {
      listener(changes);
    } catch (error) {
      this.#logger.error("a listener of a store failed", { error: messageOf(error), cause: error });
    }
  }
}
