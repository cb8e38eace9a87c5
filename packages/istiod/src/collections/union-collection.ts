// SPDX-License-Identifier: Apache-2.0
import type { Settling } from "./derived-collection.ts";
import { Collection } from "./collection.ts";
import { DirtyKeys } from "./dirty-keys.ts";

/** All objects of several collections; where keys meet, the collection named first wins. */
export class UnionCollection<T> extends Collection<T> implements Settling {
  readonly #parts: readonly Collection<T>[];
  readonly #dirty = new DirtyKeys();

  constructor(name: string, parts: readonly Collection<T>[]) {
    super(name, 1 + Math.max(...parts.map(({ level }) => level)));
    this.#parts = parts;
    for (const part of parts) part.follow((key) => this.#dirty.add(key));
  }

  get isDirty(): boolean {
    return !this.#dirty.isEmpty;
  }

  settleOne(): void {
    const key = this.#dirty.take();
    if (key === undefined) return;
    this.replace(key, this.#parts.find((part) => part.get(key) !== undefined)?.get(key));
  }
}
