// SPDX-License-Identifier: Apache-2.0
import ipaddr from "ipaddr.js";
import { parsed, shown, unreadable, type Parsed } from "../problem.ts";

/** An address. IPv4 in IPv6 (`::ffff:0:0/96`) is always IPv4 here, as sockets of both families report it. */
export interface IpAddress {
  /** 4 or 16. */
  readonly bytes: Uint8Array;
  readonly bits: 32 | 128;
  /** The first 32 bits, signed, for quick comparison. */
  readonly word: number;
}

/** Addresses that share their first `length` bits. */
export interface Cidr {
  readonly ip: IpAddress;
  readonly length: number;
}

const MAPPED_BITS = 96;
const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255);

/** 4 or 16 bytes as an address. */
export function ipOfBytes(bytes: Uint8Array): IpAddress {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  return { bytes, bits: bytes.length === 4 ? 32 : 128, word: (a << 24) | (b << 16) | (c << 8) | d };
}

/** An address without zone; IPv4 only as four decimal numbers. */
export function parseIp(text: string): Parsed<IpAddress> {
  const bytes = text.includes(":") ? bytesOfV6(text) : bytesOfV4(text);
  if (bytes === undefined) return unreadable(`${shown(text)} is not an IP address`);
  return parsed(ipOfBytes(isMapped(bytes) ? bytes.subarray(12) : bytes));
}

function bytesOfV4(text: string): Uint8Array | undefined {
  const parts = text.split(".", 5);
  const bytes = new Uint8Array(4);
  for (const [at, part] of parts.entries()) {
    const value = /^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256;
    if (value > 255) return undefined;
    bytes[at] = value;
  }
  return parts.length === 4 ? bytes : undefined;
}

function bytesOfV6(text: string): Uint8Array | undefined {
  if (text.includes("%") || !ipaddr.IPv6.isValid(text)) return undefined;
  return Uint8Array.from(ipaddr.IPv6.parse(text).toByteArray());
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && MAPPED_PREFIX.every((byte, at) => bytes[at] === byte);
}

/** "10.0.0.0/8", "fd00::/8", or one address. */
export function parseCidr(text: string): Parsed<Cidr> {
  const [address = "", length, ...rest] = text.split("/");
  const ip = parseIp(address);
  if (!ip.ok || rest.length > 0) return unreadable(`${shown(text)} is neither an IP address nor a CIDR block`);
  if (length === undefined) return parsed({ ip: ip.value, length: ip.value.bits });
  // Of a mapped block the length counts 128 bits, though its address has become IPv4.
  const offset = address.includes(":") && ip.value.bits === 32 ? MAPPED_BITS : 0;
  const bits = /^(0|[1-9]\d{0,2})$/.test(length) ? Number(length) - offset : -1;
  if (bits < 0 || bits > ip.value.bits) return unreadable(`${shown(text)} is not a CIDR block: its length is wrong`);
  return parsed({ ip: ip.value, length: bits });
}

/** A block as protobuf messages carry it. */
export function cidrOfBytes(bytes: Uint8Array, length: number): Parsed<Cidr> {
  if (bytes.length !== 4 && bytes.length !== 16) {
    return unreadable(`has ${bytes.length} bytes, an IP address has 4 or 16`);
  }
  if (length > bytes.length * 8) {
    return unreadable(`has a length of ${length} bits, at most ${bytes.length * 8} are there`);
  }
  const isV4 = length >= MAPPED_BITS && isMapped(bytes);
  if (isV4) return parsed({ ip: ipOfBytes(bytes.subarray(12)), length: length - MAPPED_BITS });
  return parsed({ ip: ipOfBytes(bytes), length });
}

/** True for addresses in at least one block. An address of the other family is in none. */
export function cidrTest(cidrs: readonly Cidr[]): (ip: IpAddress) => boolean {
  const tests = cidrs.map(blockTest);
  const [only] = tests;
  return tests.length === 1 && only ? only : (ip) => tests.some((test) => test(ip));
}

function blockTest({ ip: { bits, bytes, word }, length }: Cidr): (ip: IpAddress) => boolean {
  // Shifts count modulo 32, so none of 32 bits can't be had by shifting.
  const mask = length === 0 ? 0 : -1 << Math.max(32 - length, 0);
  if (length <= 32) return (ip) => ip.bits === bits && ((ip.word ^ word) & mask) === 0;
  const whole = length >> 3;
  const rest = (0xff00 >> (length & 7)) & 0xff;
  return (ip) => {
    if (ip.bits !== bits || ip.word !== word) return false;
    for (let at = 4; at < whole; at++) if (bytes[at] !== ip.bytes[at]) return false;
    return (((bytes[whole] ?? 0) ^ (ip.bytes[whole] ?? 0)) & rest) === 0;
  };
}

export function ipText(ip: IpAddress): string {
  return ipaddr.fromByteArray([...ip.bytes]).toString();
}

export function cidrText(cidr: Cidr): string {
  return `${ipText(cidr.ip)}/${cidr.length}`;
}
