// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";
import { linuxErrors } from "../errors.ts";
import { AF_INET, AF_INET6 } from "../libc/constants.ts";
import { libc } from "../libc/libc.ts";

/** An IP address in its canonical text form, and a port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

const SOCKADDR_IN_LENGTH = 16;
const SOCKADDR_IN6_LENGTH = 28;
/** Room for either of them. */
export const SOCKADDR_LENGTH: number = SOCKADDR_IN6_LENGTH;
const ADDRESS_TEXT_LENGTH = 46;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/**
 * IPv4 addresses as they arrive on dual-stack sockets (`::ffff:10.0.0.1`) in their own form; all others unchanged.
 * The mesh compares addresses in this form only.
 */
export function canonicalAddress(address: string): string {
  return MAPPED.exec(address)?.[1] ?? address;
}

/** AF_INET or AF_INET6. @throws MeshError LINUX_ADDRESS_INVALID for anything but an IP address without a zone */
export function familyOf(address: string): typeof AF_INET | typeof AF_INET6 {
  const version = isIP(address);
  if (version === 4) return AF_INET;
  if (version === 6 && !address.includes("%")) return AF_INET6;
  throw linuxErrors.create(
    "LINUX_ADDRESS_INVALID",
    version === 6 ? `"${address}" has a zone, which is not supported` : `"${address}" is no IP address`,
  );
}

/** The kernel's `struct sockaddr_in` or `sockaddr_in6`. @throws MeshError LINUX_ADDRESS_INVALID */
export function encodeSockaddr({ address, port }: Endpoint): Buffer {
  const family = familyOf(address);
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw linuxErrors.create("LINUX_ADDRESS_INVALID", `${port} is no port; ports are whole numbers from 0 to 65535`);
  }
  const bytes = Buffer.alloc(family === AF_INET ? SOCKADDR_IN_LENGTH : SOCKADDR_IN6_LENGTH);
  bytes.writeUInt16LE(family, 0);
  bytes.writeUInt16BE(port, 2);
  libc().inet_pton(family, address, bytes.subarray(family === AF_INET ? 4 : 8));
  return bytes;
}

/** Reads what the kernel wrote; v4-mapped addresses come out as IPv4. Undefined for other families. */
export function decodeSockaddr(bytes: Buffer): Endpoint | undefined {
  const family = bytes.readUInt16LE(0);
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const start = family === AF_INET ? 4 : 8;
  const text = libc().inet_ntop(family, bytes.subarray(start), Buffer.alloc(ADDRESS_TEXT_LENGTH), ADDRESS_TEXT_LENGTH);
  return text === null ? undefined : { address: canonicalAddress(text), port: bytes.readUInt16BE(2) };
}

/** "10.0.0.1:80", "[::]:80". */
export function formatEndpoint({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
