// SPDX-License-Identifier: Apache-2.0
import ipaddr from "ipaddr.js";

/** Textual IP address in its one canonical form: no zone, no v4-mapped IPv6, RFC 5952 for IPv6. */
export type Ip = string;
export type IpFamily = 4 | 6;

/** An address and a port. */
export interface SocketAddress {
  readonly ip: Ip;
  readonly port: number;
}

const MAX_PORT = 65_535;
const V4_DECIMAL = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/;

/** The canonical form of an IP address, or undefined for any other text. Zones (`%eth0`) are cut off. */
export function canonicalIp(text: string): Ip | undefined {
  if (!text.includes(":")) return V4_DECIMAL.test(text) && ipaddr.IPv4.isValid(text) ? text : undefined;
  const bare = text.split("%", 1)[0] as string;
  return ipaddr.IPv6.isValid(bare) ? textOf(ipaddr.IPv6.parse(bare)) : undefined;
}

/** The address in 4 or 16 bytes; undefined for any other length. */
export function ipFromBytes(bytes: Uint8Array): Ip | undefined {
  if (bytes.length === 4) return bytes.join(".");
  return bytes.length === 16 ? textOf(new ipaddr.IPv6(Array.from(bytes))) : undefined;
}

/** The bytes of a canonical address. */
export function ipToBytes(ip: Ip): Uint8Array {
  return Uint8Array.from(ipaddr.parse(ip).toByteArray());
}

function textOf(address: ipaddr.IPv6): Ip {
  return address.isIPv4MappedAddress() ? address.toIPv4Address().toString() : address.toString();
}

export function familyOf(ip: Ip): IpFamily {
  return ip.includes(":") ? 6 : 4;
}

export function isLoopback(ip: Ip): boolean {
  return ip.startsWith("127.") || ip === "::1";
}

/** `ip:port`, IPv6 in brackets, as in authorities and logs. */
export function formatSocketAddress({ ip, port }: SocketAddress): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** The port a decimal text names, or undefined. 0 is a port here: callers refuse it where it makes no sense. */
function parsePort(text: string): number | undefined {
  const port = Number(text);
  return /^\d{1,5}$/.test(text) && port <= MAX_PORT ? port : undefined;
}

/** An `ip:port` or `host:port`, as the authority of a CONNECT request holds it. */
export type Authority =
  | { readonly kind: "address"; readonly address: SocketAddress }
  | { readonly kind: "hostname"; readonly hostname: string; readonly port: number };

const HOSTNAME = /^[A-Za-z0-9_*](?:[A-Za-z0-9_.-]{0,252})$/;

/** Reads `1.2.3.4:80`, `[fd00::1]:80` or `name.ns.svc:80`; undefined for anything else. */
export function parseAuthority(text: string): Authority | undefined {
  const at = text.lastIndexOf(":");
  const port = at > 0 ? parsePort(text.slice(at + 1)) : undefined;
  if (port === undefined) return undefined;
  const host = text.slice(0, at);
  const isBracketed = host.startsWith("[") && host.endsWith("]");
  if (isBracketed || host.includes(":")) {
    const ip = isBracketed && host.includes(":") && !host.includes("%") ? canonicalIp(host.slice(1, -1)) : undefined;
    return ip === undefined ? undefined : { kind: "address", address: { ip, port } };
  }
  const ip = canonicalIp(host);
  if (ip !== undefined) return { kind: "address", address: { ip, port } };
  return HOSTNAME.test(host) ? { kind: "hostname", hostname: host, port } : undefined;
}

export function formatAuthority(authority: Authority): string {
  return authority.kind === "address"
    ? formatSocketAddress(authority.address)
    : `${authority.hostname}:${authority.port}`;
}

/** The address with all bits after `length` cleared: the key under which a prefix is filed. */
export function maskIp(ip: Ip, length: number): Ip {
  const bytes = ipToBytes(ip);
  for (let at = 0; at < bytes.length; at++) {
    const kept = Math.min(Math.max(length - at * 8, 0), 8);
    bytes[at] = (bytes[at] as number) & (0xff << (8 - kept));
  }
  return ipFromBytes(bytes) as Ip;
}
