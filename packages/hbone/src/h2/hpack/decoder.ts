// SPDX-License-Identifier: Apache-2.0
import { H2Code } from "../constants.ts";
import { ConnectionFault } from "../connection-fault.ts";
import { DynamicTable, fieldSize } from "./dynamic-table.ts";
import { decodedBound, huffmanDecode } from "./huffman.ts";
import { STATIC_TABLE, type HeaderField } from "./static-table.ts";

/** A decoded header block. */
export interface DecodedBlock {
  /** The fields in order; empty when the list is too large. */
  readonly fields: readonly HeaderField[];
  /** Decoded size by RFC 9113 section 6.5.2: octets of names and values plus 32 for each field. */
  readonly listSize: number;
  /** {@link listSize} is over the limit. The block was decoded all the same, to keep the table in step. */
  readonly isTooLarge: boolean;
}

export interface DecoderOptions {
  /** Largest dynamic table that the encoder may use, as announced in SETTINGS. */
  readonly maxTableSize: number;
  /** Largest decoded list that is kept. */
  readonly maxListSize: number;
}

// Far above every length and index that passes the other limits, and safe in 32-bit arithmetic.
const MAX_INTEGER = 2 ** 24;
const NO_BLOCK = Buffer.alloc(0);
// Strings are decoded into it and copied out at once, so that one serves every connection.
const scratch = Buffer.allocUnsafeSlow(4096);

/** Decodes the header blocks of one direction of one connection, which must be given in order. */
export class HpackDecoder {
  readonly #table: DynamicTable;
  readonly #options: DecoderOptions;
  #block: Buffer = NO_BLOCK;
  #at = 0;

  constructor(options: DecoderOptions) {
    this.#options = options;
    this.#table = new DynamicTable(options.maxTableSize);
  }

  /** @throws ConnectionFault COMPRESSION_ERROR when the block breaks RFC 7541; the connection can't go on then. */
  decode(block: Buffer): DecodedBlock {
    this.#block = block;
    this.#at = 0;
    const fields: HeaderField[] = [];
    let listSize = 0;
    let mayResize = true;
    while (this.#at < block.length) {
      const first = block[this.#at] as number;
      if ((first & 0xe0) === 0x20) {
        if (!mayResize) throw compressionFault("changes the table size in the middle of a block");
        this.#resize(this.#integer(5));
        continue;
      }
      mayResize = false;
      const field = this.#field(first);
      listSize += fieldSize(field[0], field[1]);
      if (listSize <= this.#options.maxListSize) fields.push(field);
    }
    this.#block = NO_BLOCK;
    const isTooLarge = listSize > this.#options.maxListSize;
    return { fields: isTooLarge ? [] : fields, listSize, isTooLarge };
  }

  #field(first: number): HeaderField {
    if ((first & 0x80) !== 0) return this.#entry(this.#integer(7));
    const isIndexed = (first & 0x40) !== 0;
    const nameIndex = this.#integer(isIndexed ? 6 : 4);
    const name = nameIndex === 0 ? this.#string() : this.#entry(nameIndex)[0];
    const field: HeaderField = [name, this.#string()];
    if (isIndexed) this.#table.add(field);
    return field;
  }

  #entry(index: number): HeaderField {
    const field =
      index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table.at(index - STATIC_TABLE.length - 1);
    if (field === undefined) throw compressionFault(`refers to entry ${index}, which the table does not have`);
    return field;
  }

  #resize(size: number): void {
    if (size > this.#options.maxTableSize) throw compressionFault(`sets a table of ${size} octets`);
    this.#table.resize(size);
  }

  /** RFC 7541 section 5.1. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = (this.#block[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      const octet = this.#block[this.#at++];
      if (octet === undefined) throw compressionFault("ends inside an integer");
      // Leading zeros are allowed by the grammar but used by nobody: they only make room for an endless integer.
      if (shift > 21) throw compressionFault("has an integer of too many octets");
      value += (octet & 0x7f) << shift;
      if ((octet & 0x80) === 0) break;
    }
    if (value > MAX_INTEGER) throw compressionFault(`has an integer above ${MAX_INTEGER}`);
    return value;
  }

  /** RFC 7541 section 5.2. */
  #string(): string {
    const first = this.#block[this.#at];
    if (first === undefined) throw compressionFault("ends before a string");
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#block.length) throw compressionFault("ends inside a string");
    this.#at = end;
    if ((first & 0x80) === 0) return this.#block.toString("latin1", start, end);
    const bound = decodedBound(length);
    const target = bound <= scratch.length ? scratch : Buffer.allocUnsafeSlow(bound);
    return target.toString("latin1", 0, huffmanDecode(this.#block, start, end, target));
  }
}

function compressionFault(what: string): ConnectionFault {
  return new ConnectionFault(H2Code.compressionError, `a header block ${what}`);
}
