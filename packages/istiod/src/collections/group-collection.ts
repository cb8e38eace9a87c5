// SPDX-License-Identifier: Apache-2.0
import type { Settling } from "./derived-collection.ts";
import { Collection } from "./collection.ts";
import { DirtyKeys } from "./dirty-keys.ts";

/** How objects are put together. */
export interface Grouping<T> {
  readonly name: string;
  readonly from: Collection<T>;
  readonly keyOf: (item: T) => string;
  /** Order inside a group; has to tell any two objects apart. */
  readonly compare: (a: T, b: T) => number;
}

/** The objects of a collection by something they share, for derivations in which they compete. */
export class GroupCollection<T> extends Collection<readonly T[]> implements Settling {
  readonly #grouping: Grouping<T>;
  readonly #dirty = new DirtyKeys();
  /** By key of the object: what it is in its group. */
  readonly #members = new Map<string, T>();

  constructor(grouping: Grouping<T>) {
    super(grouping.name, 1 + grouping.from.level);
    this.#grouping = grouping;
    grouping.from.follow((key) => this.#dirty.add(key));
  }

  get isDirty(): boolean {
    return !this.#dirty.isEmpty;
  }

  settleOne(): void {
    const key = this.#dirty.take();
    if (key === undefined) return;
    const { from, keyOf, compare } = this.#grouping;
    const before = this.#members.get(key);
    const after = from.get(key);
    if (before === after) return;
    if (before !== undefined) {
      this.#members.delete(key);
      const rest = (this.get(keyOf(before)) ?? []).filter((item) => item !== before);
      this.replace(keyOf(before), rest.length > 0 ? rest : undefined);
    }
    if (after !== undefined) {
      this.#members.set(key, after);
      this.replace(keyOf(after), [...(this.get(keyOf(after)) ?? []), after].sort(compare));
    }
  }
}
