// SPDX-License-Identifier: Apache-2.0
import { isIPv4, type Socket } from "node:net";
import { linuxErrors } from "../errors.ts";
import { IP6T_SO_ORIGINAL_DST, SOL_IP, SOL_IPV6, SO_ORIGINAL_DST } from "../libc/constants.ts";
import { libc } from "../libc/libc.ts";
import { SOCKADDR_LENGTH, canonicalAddress, decodeSockaddr, type Endpoint } from "./address.ts";
import { descriptorOf } from "./options.ts";

/** Where a client wanted to connect to. */
export interface OriginalDestination extends Endpoint {
  /**
   * How it is known: "conntrack" from the NAT table's memory (also for connections nobody redirected, if the namespace
   * tracks connections), "local" from the socket itself, which is right for TPROXY and for direct connections.
   */
  readonly via: "conntrack" | "local";
}

/**
 * The destination of an accepted connection before REDIRECT changed it, with IPv4 addresses in IPv4 form.
 * @throws MeshError LINUX_ARGUMENT_INVALID if the socket is closed
 */
export function originalDestination(socket: Socket): OriginalDestination {
  const fd = descriptorOf(socket);
  const local = localEndpoint(socket);
  const level = isIPv4(local.address) ? SOL_IP : SOL_IPV6;
  const tracked = readOriginal(fd, level);
  return tracked ? { ...tracked, via: "conntrack" } : { ...local, via: "local" };
}

function localEndpoint({ localAddress, localPort }: Socket): Endpoint {
  if (localAddress === undefined || localPort === undefined) {
    throw linuxErrors.create(
      "LINUX_ARGUMENT_INVALID",
      "a socket without a local address was given: it is not connected",
    );
  }
  return { address: canonicalAddress(localAddress), port: localPort };
}

/** Undefined when the connection is not tracked (ENOENT) or the kernel can't track (ENOPROTOOPT): nothing was redirected. */
function readOriginal(fd: number, level: number): Endpoint | undefined {
  const name = level === SOL_IP ? SO_ORIGINAL_DST : IP6T_SO_ORIGINAL_DST;
  const address = Buffer.alloc(SOCKADDR_LENGTH);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  if (libc().getsockopt(fd, level, name, address, length) < 0) return undefined;
  return decodeSockaddr(address);
}
