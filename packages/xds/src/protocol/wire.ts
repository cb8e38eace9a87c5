// SPDX-License-Identifier: Apache-2.0

// Enough of the protobuf wire format to put already encoded resources into a response without decoding them.
// Every field number here is below 16, so that a tag is one byte.

/** Tag of a length-delimited field (strings, bytes, messages). */
function tagOf(fieldNumber: number): number {
  return (fieldNumber << 3) | 2;
}

/** Size of a length-delimited field with a one-byte tag. */
export function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Size of a string field; 0 for an empty string, which proto3 leaves out. */
export function stringSize(text: string): number {
  return text === "" ? 0 : fieldSize(Buffer.byteLength(text));
}

/** Appends fields to a buffer whose size was computed before. */
export class FieldWriter {
  readonly bytes: Buffer;
  #at = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** Starts a field whose `length` bytes of content are written next. */
  header(fieldNumber: number, length: number): void {
    this.bytes[this.#at++] = tagOf(fieldNumber);
    let rest = length;
    while (rest > 0x7f) {
      this.bytes[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.#at++] = rest;
  }

  field(fieldNumber: number, content: Uint8Array): void {
    this.header(fieldNumber, content.length);
    this.bytes.set(content, this.#at);
    this.#at += content.length;
  }

  /** Writes nothing for an empty string. */
  string(fieldNumber: number, text: string): void {
    if (text === "") return;
    this.header(fieldNumber, Buffer.byteLength(text));
    this.#at += this.bytes.write(text, this.#at);
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++;
  return size;
}
