// SPDX-License-Identifier: Apache-2.0
import { spiffeErrors } from "../errors.ts";
import { TAG } from "./reader.ts";

/** What the functions here look at; a `DerElement` has it. */
export interface DerValue {
  readonly tag: number;
  readonly contents: Buffer;
}

const invalid = (problem: string): Error => spiffeErrors.create("DER_INVALID", problem);

/**
 * Reads a BOOLEAN.
 * @throws MeshError DER_INVALID unless it is 00 or FF (X.690 11.1).
 */
export function decodeBoolean({ contents }: DerValue): boolean {
  if (contents.length !== 1 || (contents[0] !== 0 && contents[0] !== 0xff))
    throw invalid("a BOOLEAN is neither 00 nor FF");
  return contents[0] === 0xff;
}

/** Far above the 20 octets that RFC 5280 4.1.2.2 allows for serial numbers. */
const MAX_INTEGER_BYTES = 64;

/**
 * Reads an INTEGER.
 * @throws MeshError DER_INVALID if empty, not minimal or longer than 64 bytes.
 */
export function decodeInteger({ contents }: DerValue): bigint {
  const [first, second] = contents;
  if (first === undefined || contents.length > MAX_INTEGER_BYTES)
    throw invalid("an INTEGER is empty or above 512 bits");
  const isPadded = (first === 0 && second !== undefined && second < 0x80) || (first === 0xff && (second ?? 0) >= 0x80);
  if (isPadded) throw invalid("an INTEGER is not minimal");
  return BigInt.asIntN(contents.length * 8, BigInt(`0x${contents.toString("hex")}`));
}

/** Bits of a named bit list, most significant first: `bits[0]` is bit 0 of the list. */
export function decodeBits(element: DerValue): readonly boolean[] {
  const { contents } = element;
  const unused = contents[0];
  if (unused === undefined || unused > 7 || contents.length > 9) throw invalid("a BIT STRING of flags is malformed");
  if (contents.length === 1 && unused > 0) throw invalid("an empty BIT STRING claims unused bits");
  const count = (contents.length - 1) * 8 - unused;
  return Array.from({ length: count }, (_, bit) => (((contents[1 + (bit >> 3)] ?? 0) >> (7 - (bit & 7))) & 1) === 1);
}

/** The octets of a BIT STRING that has whole octets only: signatures and public keys. */
export function decodeBitOctets({ contents }: DerValue): Buffer {
  if (contents[0] !== 0) throw invalid("a BIT STRING does not hold whole octets");
  return contents.subarray(1);
}

/** Dotted form of an object identifier. Arcs above 2^53 and identifiers above 64 bytes are refused. */
export function decodeOid({ contents }: DerValue): string {
  const last = contents.at(-1);
  if (last === undefined || last >= 0x80 || contents.length > 64) throw invalid("an OBJECT IDENTIFIER is malformed");
  const arcs: number[] = [];
  let arc = 0;
  for (const octet of contents) {
    if (arc === 0 && octet === 0x80) throw invalid("an OBJECT IDENTIFIER is not minimal");
    arc = arc * 128 + (octet & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) throw invalid("an OBJECT IDENTIFIER has an arc above 2^53");
    if (octet >= 0x80) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [head = 0, ...rest] = arcs;
  const first = Math.min(Math.floor(head / 40), 2);
  return [first, head - 40 * first, ...rest].join(".");
}

const TIMES: Readonly<Record<number, RegExp>> = {
  [TAG.UTC_TIME]: /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
  [TAG.GENERALIZED_TIME]: /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
};

/**
 * Milliseconds since 1970 of a UTCTime or GeneralizedTime as RFC 5280 4.1.2.5 wants them: seconds, Z, no fraction.
 * @throws MeshError DER_INVALID
 */
export function decodeTime({ tag, contents }: DerValue): number {
  const text = contents.length <= 16 ? contents.toString("latin1") : "";
  const parts = TIMES[tag]?.exec(text)?.slice(1).map(Number);
  if (parts === undefined) throw invalid("a time is neither UTCTime nor GeneralizedTime with seconds and Z");
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  const fullYear = tag === TAG.UTC_TIME ? year + (year < 50 ? 2000 : 1900) : year;
  // Date.UTC would take years below 100 for 19xx; setUTCFullYear does not.
  const date = new Date(0);
  date.setUTCFullYear(fullYear, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const isReal =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!isReal) throw invalid(`the time ${text} does not exist`);
  return date.getTime();
}
