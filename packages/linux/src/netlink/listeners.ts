// SPDX-License-Identifier: Apache-2.0
import { AF_INET, AF_INET6 } from "../libc/constants.ts";
import type { NetnsRef } from "../netns/netns.ts";
import { askNetlink } from "./netlink.ts";

// linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h, net/tcp_states.h
const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const IPPROTO_TCP = 6;
const TCP_LISTEN = 10;
const REQUEST = { family: 0, protocol: 1, states: 4, size: 56 } as const;
/** Offset of the source port in the answer. */
const SOURCE_PORT = 4;

/**
 * The TCP ports that somebody listens on in a namespace, on whatever address. The kernel is asked for listening sockets
 * only, so that thousands of connections cost nothing.
 * @throws MeshError LINUX_FEATURE_MISSING (a kernel without INET_DIAG), LINUX_SYSCALL
 */
export function listeningTcpPorts(netns: NetnsRef): ReadonlySet<number> {
  return new Set(
    [AF_INET, AF_INET6].flatMap((family) => {
      const body = Buffer.alloc(REQUEST.size);
      body.writeUInt8(family, REQUEST.family);
      body.writeUInt8(IPPROTO_TCP, REQUEST.protocol);
      body.writeUInt32LE(1 << TCP_LISTEN, REQUEST.states);
      const answer = askNetlink(netns, NETLINK_SOCK_DIAG, { type: SOCK_DIAG_BY_FAMILY, isDump: true, body });
      return answer.flatMap((message) =>
        message.body.length >= SOURCE_PORT + 2 ? [message.body.readUInt16BE(SOURCE_PORT)] : [],
      );
    }),
  );
}
