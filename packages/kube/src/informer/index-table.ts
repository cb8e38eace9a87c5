// SPDX-License-Identifier: Apache-2.0
import type { Change } from "@ambientmesh/core";
import type { StoreIndex } from "./store.ts";

/** Objects by computed values. */
export class IndexTable<T> implements StoreIndex<T> {
  readonly #valuesOf: (object: T) => Iterable<string>;
  readonly #table = new Map<string, Map<string, T>>();

  constructor(valuesOf: (object: T) => Iterable<string>) {
    this.#valuesOf = valuesOf;
  }

  get(value: string): Iterable<T> {
    return this.#table.get(value)?.values() ?? [];
  }

  has(value: string): boolean {
    return this.#table.has(value);
  }

  values(): IterableIterator<string> {
    return this.#table.keys();
  }

  apply({ key, before, after }: Change<T>): void {
    if (before !== undefined) {
      for (const value of this.#valuesOf(before)) {
        const objects = this.#table.get(value);
        objects?.delete(key);
        if (objects?.size === 0) this.#table.delete(value);
      }
    }
    if (after === undefined) return;
    for (const value of this.#valuesOf(after)) {
      const objects = this.#table.get(value);
      if (objects === undefined) this.#table.set(value, new Map([[key, after]]));
      else objects.set(key, after);
    }
  }
}
