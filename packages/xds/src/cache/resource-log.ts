// SPDX-License-Identifier: Apache-2.0
import type { EncodedResource } from "./resource.ts";

/** The latest change of one name. */
export interface LogEntry {
  /** Position in the order of all changes of the store, from 1. */
  readonly seq: number;
  readonly name: string;
  /** Undefined: the name was removed. */
  readonly resource: EncodedResource | undefined;
}

interface Slot {
  readonly seq: number;
  /** Undefined once the name changed again. */
  entry: LogEntry | undefined;
}

// Below this length, history is not worth a compaction.
const MIN_COMPACT = 256;

/**
 * Names in the order in which they last changed, each once. Whoever has read up to a position needs exactly the
 * entries behind it to be up to date, whether that is everything (position 0) or one change, so a reader's whole
 * state is one number.
 */
export class ResourceLog {
  #slots: Slot[] = [];
  readonly #slotOf = new Map<string, Slot>();
  #head = 0;
  #removed = 0;
  #compactAt = MIN_COMPACT;

  /** Position of the last change; 0 when there was none. */
  get head(): number {
    return this.#head;
  }

  /** How many names have a resource. */
  get size(): number {
    return this.#slotOf.size - this.#removed;
  }

  get(name: string): EncodedResource | undefined {
    return this.#slotOf.get(name)?.entry?.resource;
  }

  /** Appends a change of `name`; `resource` undefined records its removal. */
  append(name: string, resource: EncodedResource | undefined): void {
    const before = this.#slotOf.get(name);
    if (before?.entry) {
      if (!before.entry.resource) this.#removed--;
      before.entry = undefined;
    }
    if (!resource) this.#removed++;
    const seq = ++this.#head;
    const slot: Slot = { seq, entry: { seq, name, resource } };
    this.#slotOf.set(name, slot);
    this.#slots.push(slot);
  }

  /** Entries behind `cursor` up to and with `until`, oldest first. */
  *after(cursor: number, until: number = this.#head): Generator<LogEntry, void, undefined> {
    const slots = this.#slots;
    for (let at = firstAfter(slots, cursor); at < slots.length; at++) {
      const slot = slots[at] as Slot;
      if (slot.seq > until) return;
      if (slot.entry) yield slot.entry;
    }
  }

  /** All present resources, in the order of their last change. */
  *resources(): Generator<EncodedResource, void, undefined> {
    for (const slot of this.#slots) if (slot.entry?.resource) yield slot.entry.resource;
  }

  /** True when the log has doubled since it was compacted last, so that compacting costs a constant per change. */
  get isDueForCompaction(): boolean {
    return this.#slots.length > this.#compactAt;
  }

  /** Drops superseded entries, and removals that every reader has seen (position `seenByAll` or before). */
  compact(seenByAll: number): void {
    this.#slots = this.#slots.filter((slot) => {
      if (!slot.entry) return false;
      if (slot.entry.resource || slot.seq > seenByAll) return true;
      this.#slotOf.delete(slot.entry.name);
      this.#removed--;
      return false;
    });
    this.#compactAt = MIN_COMPACT + 2 * this.#slots.length;
  }
}

function firstAfter(slots: readonly Slot[], cursor: number): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((slots[middle] as Slot).seq > cursor) high = middle;
    else low = middle + 1;
  }
  return low;
}
