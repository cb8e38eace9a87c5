// SPDX-License-Identifier: Apache-2.0
import { formatSocketAddress, type SocketAddress } from "../net/address.ts";

/** `forwarded` of a tunnel: the client's address, always quoted, and the service that it meant (RFC 7239). */
export function formatForwarded(client: SocketAddress, serviceHostname: string | undefined): string {
  const element = `for="${formatSocketAddress(client)}"`;
  return serviceHostname === undefined ? element : `${element};host=${serviceHostname}`;
}

const HOST = /(?:^|[;,])\s*host=(?:"([^"\\]{1,253})"|([^\s;,"]{1,253}))/i;

/** The host of the first element that has one; undefined if there is none. Never throws. */
export function forwardedHost(header: string): string | undefined {
  const match = HOST.exec(header);
  return match?.[1] ?? match?.[2];
}
