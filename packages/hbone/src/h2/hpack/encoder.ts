// SPDX-License-Identifier: Apache-2.0
import { DEFAULT_HEADER_TABLE } from "../constants.ts";
import { DynamicTable, fieldSize } from "./dynamic-table.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import { STATIC_TABLE, type HeaderField } from "./static-table.ts";

/** Different on every tunnel, so an entry for them would only push out what comes again. */
const VOLATILE: ReadonlySet<string> = new Set(["forwarded", "traceparent", "tracestate", "x-request-id", "date"]);
/** Never put into any table on the way, so that their values can't be guessed by size (RFC 7541 section 7.1.3). */
const SECRET: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization", "set-cookie"]);

const staticFields = new Map<string, number>();
const staticNames = new Map<string, number>();
for (const [position, [name, value]] of STATIC_TABLE.entries()) {
  staticFields.set(`${name}\0${value}`, position + 1);
  if (!staticNames.has(name)) staticNames.set(name, position + 1);
}

/**
 * Encodes the header blocks of one direction of one connection; they must be sent in the order they were made.
 * Compact: whatever comes again (authority, baggage) costs one octet from the second time on.
 */
export class HpackEncoder {
  readonly #fields = new Map<string, number>();
  readonly #names = new Map<string, number>();
  readonly #table: DynamicTable = new DynamicTable(DEFAULT_HEADER_TABLE, (field, sequence) =>
    this.#forget(field, sequence),
  );
  #announce: number[] = [];
  #target: Buffer = Buffer.alloc(0);
  #at = 0;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; more than the protocol's default is not made use of. */
  setMaxTableSize(size: number): void {
    const used = Math.min(size, DEFAULT_HEADER_TABLE);
    if (used === this.#table.maxSize) return;
    this.#table.resize(used);
    // The smallest size in between must be announced too (RFC 7541 section 4.2).
    this.#announce = [...this.#announce.filter((earlier) => earlier < used), used];
  }

  /** The block for the fields; names must be lower case, names and values latin1 without NUL. */
  encode(fields: readonly HeaderField[]): Buffer {
    let bound = 12;
    for (const [name, value] of fields) bound += fieldSize(name, value);
    this.#target = Buffer.allocUnsafe(bound);
    this.#at = 0;
    for (const size of this.#announce) this.#integer(0x20, 5, size);
    this.#announce = [];
    for (const field of fields) this.#field(field);
    return this.#target.subarray(0, this.#at);
  }

  #field(field: HeaderField): void {
    const [name, value] = field;
    const key = `${name}\0${value}`;
    const known = staticFields.get(key) ?? this.#indexOf(this.#fields.get(key));
    if (known !== undefined) {
      this.#integer(0x80, 7, known);
      return;
    }
    const nameIndex = staticNames.get(name) ?? this.#indexOf(this.#names.get(name)) ?? 0;
    if (SECRET.has(name)) this.#integer(0x10, 4, nameIndex);
    else if (VOLATILE.has(name) || fieldSize(name, value) > this.#table.maxSize / 2) this.#integer(0, 4, nameIndex);
    else {
      this.#integer(0x40, 6, nameIndex);
      this.#remember(field, key);
    }
    if (nameIndex === 0) this.#string(name);
    this.#string(value);
  }

  #remember(field: HeaderField, key: string): void {
    const sequence = this.#table.add(field);
    if (sequence === undefined) return;
    this.#fields.set(key, sequence);
    this.#names.set(field[0], sequence);
  }

  #forget([name, value]: HeaderField, sequence: number): void {
    const key = `${name}\0${value}`;
    if (this.#fields.get(key) === sequence) this.#fields.delete(key);
    if (this.#names.get(name) === sequence) this.#names.delete(name);
  }

  #indexOf(sequence: number | undefined): number | undefined {
    return sequence === undefined ? undefined : STATIC_TABLE.length + 1 + this.#table.positionOf(sequence);
  }

  #integer(pattern: number, prefixBits: number, value: number): void {
    const mask = (1 << prefixBits) - 1;
    if (value < mask) {
      this.#target[this.#at++] = pattern | value;
      return;
    }
    this.#target[this.#at++] = pattern | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest >>>= 7) this.#target[this.#at++] = (rest & 0x7f) | 0x80;
    this.#target[this.#at++] = rest;
  }

  #string(text: string): void {
    const coded = huffmanLength(text);
    if (coded < text.length) {
      this.#integer(0x80, 7, coded);
      this.#at = huffmanEncode(text, this.#target, this.#at);
      return;
    }
    this.#integer(0, 7, text.length);
    this.#at += this.#target.write(text, this.#at, "latin1");
  }
}
