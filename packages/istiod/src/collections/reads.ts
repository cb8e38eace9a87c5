// SPDX-License-Identifier: Apache-2.0
import type { Watch, Watcher, WatchTable } from "./watch.ts";

/**
 * The reads of one derivation. A derivation that runs again mostly reads the same things in the same order, and then its
 * watches stay where they are.
 */
export class Reads {
  readonly #by: { readonly watcher: Watcher; readonly inputKey: string };
  readonly #before: readonly Watch<never>[];
  readonly #watches: Watch<never>[] = [];
  /** How many of the watches before are taken over. */
  #kept = 0;

  constructor(by: { readonly watcher: Watcher; readonly inputKey: string }, before: readonly Watch<never>[]) {
    this.#by = by;
    this.#before = before;
  }

  note<T>(table: WatchTable<T>, value: string, where: ((item: T) => boolean) | undefined): void {
    const next = this.#kept === this.#watches.length ? this.#before[this.#kept] : undefined;
    const isKept = next?.isOf(table, value) ?? false;
    const watch = isKept ? (next as unknown as Watch<T>) : table.add(value, this.#by);
    if (isKept) this.#kept++;
    watch.where = where;
    this.#watches.push(watch);
  }

  /** The watches of this run; what only the run before has read is forgotten. */
  finish(): readonly Watch<never>[] {
    for (const watch of this.#before.slice(this.#kept)) watch.forget();
    return this.#watches;
  }
}
