// SPDX-License-Identifier: Apache-2.0
import { spiffeErrors } from "../errors.ts";

/** Identifier octets of the types that X.509 uses. */
export const TAG = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  ENUMERATED: 0x0a,
  UTF8_STRING: 0x0c,
  SEQUENCE: 0x30,
  SET: 0x31,
  PRINTABLE_STRING: 0x13,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
} as const;

const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;

/** Identifier octet of `[number]` with a primitive value. */
export const contextTag = (number: number): number => CONTEXT | number;
/** Identifier octet of `[number]` with elements inside. */
export const constructedContextTag = (number: number): number => CONTEXT | CONSTRUCTED | number;

/** One element of a buffer; what it gives out are views, made when they are asked for. */
export class DerElement {
  /** The identifier octet: class, constructed bit and number. */
  readonly tag: number;
  readonly #bytes: Buffer;
  readonly #start: number;
  readonly #contentsStart: number;
  readonly #end: number;

  constructor(bytes: Buffer, at: { readonly start: number; readonly contentsStart: number; readonly end: number }) {
    this.tag = bytes[at.start] ?? 0;
    this.#bytes = bytes;
    this.#start = at.start;
    this.#contentsStart = at.contentsStart;
    this.#end = at.end;
  }

  /** The value without identifier and length octets. */
  get contents(): Buffer {
    return this.#bytes.subarray(this.#contentsStart, this.#end);
  }

  /** Identifier and length octets, then the contents. */
  get raw(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** A reader of what is inside; `what` names it in error messages. */
  open(what: string): DerReader {
    return new DerReader(this.#bytes, what, { start: this.#contentsStart, end: this.#end });
  }
}

/**
 * Reads DER (ITU-T X.690, section 10) strictly: one encoding per value, definite and minimal lengths, tag numbers below 31.
 * BER's freedoms are refused because two parsers that read the same bytes differently are how names get smuggled.
 * Nothing is copied and nothing recurses: callers enter what they expect.
 */
export class DerReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  readonly #end: number;
  #at: number;

  /** Reads the bytes, or the part of them. `what` names the object in error messages ("a certificate"). */
  constructor(bytes: Uint8Array, what: string, part?: { readonly start: number; readonly end: number }) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
    this.#at = part?.start ?? 0;
    this.#end = part?.end ?? bytes.length;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  /** The identifier octet of the next element, undefined at the end. */
  get nextTag(): number | undefined {
    return this.isAtEnd ? undefined : this.#bytes[this.#at];
  }

  /**
   * The next element, which must have the tag if one is given.
   * @throws MeshError DER_INVALID
   */
  read(tag?: number): DerElement {
    const start = this.#at;
    const found = this.nextTag;
    if (found === undefined) throw this.#error("ends too early");
    if (tag !== undefined && found !== tag) {
      throw this.#error(`has tag 0x${found.toString(16)} where 0x${tag.toString(16)} is due`);
    }
    if ((found & 0x1f) === 0x1f) throw this.#error("has a tag number above 30");
    const { length, at: contentsStart } = this.#length(start + 1);
    const end = contentsStart + length;
    if (end > this.#end) throw this.#error(`has an element of ${length} bytes that does not fit`);
    this.#at = end;
    return new DerElement(this.#bytes, { start, contentsStart, end });
  }

  /** The next element if it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.nextTag === tag ? this.read(tag) : undefined;
  }

  /** A reader of what is inside the next element. */
  enter(tag: number = TAG.SEQUENCE): DerReader {
    return this.read(tag).open(this.#what);
  }

  /** @throws MeshError DER_INVALID if something is left. */
  end(): void {
    if (!this.isAtEnd) throw this.#error(`has ${this.#end - this.#at} bytes left over`);
  }

  #length(at: number): { length: number; at: number } {
    const first = at < this.#end ? this.#bytes[at] : undefined;
    if (first === undefined) throw this.#error("ends too early");
    if (first < 0x80) return { length: first, at: at + 1 };
    const octets = first & 0x7f;
    if (octets === 0 || octets > 4) throw this.#error("has a length that is indefinite or above 4 GiB");
    if (at + 1 + octets > this.#end) throw this.#error("ends too early");
    const length = this.#bytes.readUIntBE(at + 1, octets);
    if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw this.#error("has a length that is not minimal");
    return { length, at: at + 1 + octets };
  }

  #error(problem: string): Error {
    return spiffeErrors.create("DER_INVALID", `${this.#what} is not DER: it ${problem} (byte ${this.#at})`);
  }
}
