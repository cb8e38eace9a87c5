// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import type { AddressInfo, Server } from "node:net";
import { IPV6_V6ONLY, SOCK_STREAM, SOL_IPV6, SOL_SOCKET, SO_REUSEADDR, SO_REUSEPORT } from "../libc/constants.ts";
import { checked } from "../libc/failure.ts";
import { libc } from "../libc/libc.ts";
import type { NetnsRef } from "../netns/netns.ts";
import { encodeSockaddr, familyOf, formatEndpoint, type Endpoint } from "./address.ts";
import { openSocket, prepared, setMark, setOption, setTcpOptions, setTransparent, type TcpOptions } from "./options.ts";

/** Where and how to bind a socket. */
export interface BindOptions extends Endpoint {
  /** Unset: the namespace of this process. */
  readonly netns?: NetnsRef;
  /** SO_MARK; accepted sockets and sent packets carry it. */
  readonly mark?: number;
  /** Accept for any destination address that reaches the namespace (TPROXY). Default false. */
  readonly transparent?: boolean;
  /** Share the port with other sockets of this user, so that a successor can start before this one ends. Default true. */
  readonly reusePort?: boolean;
  /** IPv6 sockets: refuse IPv4. Unset: the namespace's default, which is dual stack. */
  readonly ipv6Only?: boolean;
}

/** A TCP listener. */
export interface ListenOptions extends BindOptions, TcpOptions {
  /** Bind although connections of an earlier owner linger in TIME_WAIT. Default true. */
  readonly reuseAddress?: boolean;
  /** Length of the accept queue. Default 128, as in Istio's node proxy. */
  readonly backlog?: number;
}

const DEFAULT_BACKLOG = 128;

/**
 * A listening TCP socket inside a network namespace. The descriptor belongs to the caller: hand it to
 * `net.Server.listen({ fd })` or close it. Most callers want {@link listenTcp}.
 *
 * SO_REUSEADDR and SO_REUSEPORT are both set: with one alone, TIME_WAIT sockets which an earlier owner made without the
 * other keep the port taken for a minute.
 * @throws MeshError LINUX_SYSCALL (details.errno EADDRINUSE: retryable), LINUX_CAPABILITY_MISSING, LINUX_ADDRESS_INVALID
 */
export function openTcpListener(options: ListenOptions): number {
  const sockaddr = encodeSockaddr(options);
  const purpose = `listen on ${placeOf(options)}`;
  return prepared(openSocket(familyOf(options.address), SOCK_STREAM, options.netns), (fd) => {
    setTcpOptions(fd, options);
    setFlag(fd, SO_REUSEADDR, "SO_REUSEADDR", options.reuseAddress ?? true);
    setBindOptions(fd, options);
    checked(libc().bind(fd, sockaddr, sockaddr.length), { syscall: "bind", purpose, capability: "NET_BIND_SERVICE" });
    checked(libc().listen(fd, options.backlog ?? DEFAULT_BACKLOG), { syscall: "listen", purpose });
  });
}

/**
 * Starts a server (net, tls, http, fastify's `server`) on a listener of {@link openTcpListener} and returns where it
 * listens. The server owns the socket from then on.
 * @throws MeshError as {@link openTcpListener}; what the server itself reports, for example that it listens already
 */
export async function listenTcp(server: Server, options: ListenOptions): Promise<AddressInfo> {
  const fd = openTcpListener(options);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  try {
    // Node calls listen(2) again, so it has to know the backlog.
    server.listen({ fd, backlog: options.backlog ?? DEFAULT_BACKLOG, exclusive: true }, resolve);
  } catch (error) {
    closeSync(fd);
    reject(error);
  }
  try {
    await promise;
  } finally {
    server.removeListener("error", reject);
  }
  return server.address() as AddressInfo;
}

/** What TCP and UDP sockets have in common before bind. */
export function setBindOptions(fd: number, options: BindOptions): void {
  const { address, mark, transparent = false, reusePort = true, ipv6Only } = options;
  if (mark !== undefined) setMark(fd, mark);
  if (transparent) setTransparent(fd, familyOf(address));
  setFlag(fd, SO_REUSEPORT, "SO_REUSEPORT", reusePort);
  if (ipv6Only === undefined) return;
  const option = { level: SOL_IPV6, name: IPV6_V6ONLY, value: Number(ipv6Only) };
  setOption(fd, option, { label: "IPV6_V6ONLY", purpose: `bind ${placeOf(options)}` });
}

/** "[::]:15001 in net:[4026532177]", for messages. */
export function placeOf(options: BindOptions): string {
  return formatEndpoint(options) + (options.netns ? ` in ${options.netns.id}` : "");
}

function setFlag(fd: number, name: number, label: string, isOn: boolean): void {
  if (isOn) setOption(fd, { level: SOL_SOCKET, name, value: 1 }, { label, purpose: `set ${label}` });
}
