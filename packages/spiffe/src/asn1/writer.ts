// SPDX-License-Identifier: Apache-2.0
import { TAG } from "./reader.ts";

/** One element of DER: identifier octet, minimal length, contents. */
export function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  const octets = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x1_0000 ? 2 : length < 0x100_0000 ? 3 : 4;
  const element = Buffer.allocUnsafe(2 + octets + length);
  element[0] = tag;
  element[1] = octets === 0 ? length : 0x80 | octets;
  if (octets > 0) element.writeUIntBE(length, 2, octets);
  let at = 2 + octets;
  for (const part of contents) {
    element.set(part, at);
    at += part.length;
  }
  return element;
}

/** A SEQUENCE of encoded elements. */
export const derSequence = (...elements: readonly Uint8Array[]): Buffer => der(TAG.SEQUENCE, ...elements);
/** A SET OF encoded elements, put into DER's order. */
export const derSet = (...elements: readonly Uint8Array[]): Buffer =>
  // DER orders the elements of a SET OF by their bytes (X.690 11.6).
  der(TAG.SET, ...elements.toSorted((a, b) => Buffer.compare(a, b)));
/** A NULL. */
export const derNull = (): Buffer => der(TAG.NULL);
/** A BOOLEAN. */
export const derBoolean = (value: boolean): Buffer => der(TAG.BOOLEAN, Buffer.of(value ? 0xff : 0));
/** An OCTET STRING. */
export const derOctets = (bytes: Uint8Array): Buffer => der(TAG.OCTET_STRING, bytes);
/** A UTF8String. */
export const derUtf8 = (text: string): Buffer => der(TAG.UTF8_STRING, Buffer.from(text, "utf8"));
/** A BIT STRING of whole octets. */
export const derBitOctets = (bytes: Uint8Array): Buffer => der(TAG.BIT_STRING, Buffer.of(0), bytes);

/** A non-negative INTEGER. */
export function derInteger(value: bigint | number): Buffer {
  const hex = value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return der(TAG.INTEGER, (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

/** A named bit list (X.690 11.2.2): the numbers of the bits that are set; trailing zero bits are dropped. */
export function derBits(set: readonly number[]): Buffer {
  const highest = Math.max(-1, ...set);
  const octets = Buffer.alloc((highest >> 3) + 1);
  for (const bit of set) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return der(TAG.BIT_STRING, Buffer.of(highest < 0 ? 0 : 7 - (highest & 7)), octets);
}

/** Programs write the same few identifiers over and over. */
const oids = new Map<string, Buffer>();
const MAX_OIDS = 256;

/** An OBJECT IDENTIFIER from its dotted form. The bytes are shared with other callers: don't write into them. */
export function derOid(dotted: string): Buffer {
  const known = oids.get(dotted);
  if (known !== undefined) return known;
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const octets = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc % 128];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left % 128) | 0x80);
    return groups;
  });
  const oid = der(TAG.OID, Buffer.from(octets));
  if (oids.size < MAX_OIDS) oids.set(dotted, oid);
  return oid;
}

/** UTCTime up to 2049 and GeneralizedTime from 2050 on (RFC 5280 4.1.2.5); milliseconds since 1970, cut to seconds. */
export function derTime(timeMs: number): Buffer {
  const digits = new Date(timeMs).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  const year = new Date(timeMs).getUTCFullYear();
  return year >= 1950 && year < 2050
    ? der(TAG.UTC_TIME, Buffer.from(digits.slice(2), "latin1"))
    : der(TAG.GENERALIZED_TIME, Buffer.from(digits, "latin1"));
}
