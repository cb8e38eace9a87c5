// SPDX-License-Identifier: Apache-2.0
import type { HeaderField } from "./static-table.ts";

/** What an entry costs beside its octets (RFC 7541 section 4.1). */
export const ENTRY_OVERHEAD = 32;

/** The size HPACK and SETTINGS_MAX_HEADER_LIST_SIZE give a field. */
export function fieldSize(name: string, value: string): number {
  return name.length + value.length + ENTRY_OVERHEAD;
}

/** The table both ends of a header stream keep in step (RFC 7541 section 2.3.2): newest first, oldest evicted. */
export class DynamicTable {
  /** Oldest first. */
  readonly #entries: HeaderField[] = [];
  readonly #onEvict: (field: HeaderField, sequence: number) => void;
  #size = 0;
  #maxSize: number;
  #evicted = 0;

  /** `onEvict` hears of each entry that leaves, with the sequence number {@link add} gave it. */
  constructor(maxSize: number, onEvict: (field: HeaderField, sequence: number) => void = () => {}) {
    this.#maxSize = maxSize;
    this.#onEvict = onEvict;
  }

  get length(): number {
    return this.#entries.length;
  }

  get size(): number {
    return this.#size;
  }

  get maxSize(): number {
    return this.#maxSize;
  }

  /** The entry at a zero-based position, newest first. */
  at(position: number): HeaderField | undefined {
    return this.#entries[this.#entries.length - 1 - position];
  }

  /** The position of the entry that has the sequence number. */
  positionOf(sequence: number): number {
    return this.#evicted + this.#entries.length - 1 - sequence;
  }

  /** Adds an entry and returns its sequence number; one larger than the table empties it (section 4.4). */
  add(field: HeaderField): number | undefined {
    const size = fieldSize(field[0], field[1]);
    this.#shrinkTo(this.#maxSize - size);
    if (size > this.#maxSize) return undefined;
    this.#size += size;
    return this.#evicted + this.#entries.push(field) - 1;
  }

  resize(maxSize: number): void {
    this.#maxSize = maxSize;
    this.#shrinkTo(maxSize);
  }

  #shrinkTo(size: number): void {
    while (this.#size > size && this.#entries.length > 0) {
      const oldest = this.#entries.shift() as HeaderField;
      this.#size -= fieldSize(oldest[0], oldest[1]);
      this.#onEvict(oldest, this.#evicted++);
    }
  }
}
