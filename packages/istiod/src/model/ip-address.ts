// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from "node:net";

/**
 * The 4 or 16 bytes of an IP address without zone.
 * @returns undefined if the text is none.
 */
export function addressBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const [head = "", tail] = text.split("::");
  const left = groupsOf(head);
  const right = groupsOf(tail ?? "");
  const zeros = Array<number>(tail === undefined ? 0 : 8 - left.length - right.length).fill(0);
  return Uint8Array.from([...left, ...zeros, ...right].flatMap((group) => [group >> 8, group & 0xff]));
}

/** 16-bit groups; a dotted address at the end counts as two. */
function groupsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** All addresses, or undefined if any is none: half of an object is worse than nothing. */
export function allAddressBytes(texts: readonly string[]): Uint8Array[] | undefined {
  const addresses = texts.map(addressBytes).filter((bytes) => bytes !== undefined);
  return addresses.length === texts.length ? addresses : undefined;
}

/** The text of an address in its canonical form (RFC 5952 for IPv6). */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** A single address, or a range with the bits behind its length cleared. */
export interface AddressRange {
  readonly bytes: Uint8Array;
  /** Absent for a single address. */
  readonly length?: number;
}

/**
 * Reads "1.2.3.4" or "1.2.3.0/24"; a range of full length is a single address.
 * @returns undefined if the text is neither.
 */
export function addressRange(text: string): AddressRange | undefined {
  const [address = "", suffix, ...more] = text.split("/");
  const bytes = addressBytes(address);
  if (!bytes || more.length > 0) return undefined;
  if (suffix === undefined) return { bytes };
  const length = /^\d{1,3}$/.test(suffix) ? Number(suffix) : Number.NaN;
  const bits = bytes.length * 8;
  if (!(length <= bits)) return undefined;
  if (length === bits) return { bytes };
  return { bytes: bytes.map((byte, at) => byte & (0xff00 >> Math.min(Math.max(length - 8 * at, 0), 8))), length };
}
