// SPDX-License-Identifier: Apache-2.0
import { closeSync } from "node:fs";
import type { Socket } from "node:net";
import { linuxErrors } from "../errors.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  IPV6_FREEBIND,
  IPV6_TRANSPARENT,
  IP_BIND_ADDRESS_NO_PORT,
  IP_FREEBIND,
  IP_TRANSPARENT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_TCP,
  SO_KEEPALIVE,
  SO_MARK,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from "../libc/constants.ts";
import { checked, type CallContext } from "../libc/failure.ts";
import { libc } from "../libc/libc.ts";
import { inNetns } from "../netns/in-netns.ts";
import type { NetnsRef } from "../netns/netns.ts";

/** When a silent peer is asked whether it still lives, and given up. */
export interface KeepAlive {
  readonly idleSeconds: number;
  readonly intervalSeconds: number;
  readonly probes: number;
}

/** Istio's node proxy: 180 s, 180 s, 9 probes (ztunnel, config.rs). */
export const DEFAULT_KEEP_ALIVE: KeepAlive = { idleSeconds: 180, intervalSeconds: 180, probes: 9 };

/** What can be set on any TCP socket. On a listener it holds for the accepted sockets too, since they inherit it. */
export interface TcpOptions {
  /** SO_MARK, by which redirection rules know the proxy's own packets. Needs CAP_NET_ADMIN. */
  readonly mark?: number;
  /** Unset: none. */
  readonly keepAlive?: KeepAlive;
  /** TCP_USER_TIMEOUT: how long sent data may stay unacknowledged. Unset: the system's retry limits. */
  readonly userTimeoutMs?: number;
  /** TCP_NODELAY. Default true. */
  readonly noDelay?: boolean;
}

const FAMILY_NAMES: Readonly<Record<number, string>> = {
  [AF_UNIX]: "local sockets",
  [AF_INET]: "IPv4",
  [AF_INET6]: "IPv6",
  [AF_NETLINK]: "netlink of that kind",
};

/**
 * A close-on-exec, non-blocking socket. Only the call itself is made inside the namespace: bind, listen and connect act
 * on the namespace their socket was made in.
 */
export function openSocket(family: number, type: number, netns?: NetnsRef, protocol = 0): number {
  const flags = type | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const open = (): number =>
    checked(libc().socket(family, flags, protocol), {
      syscall: "socket",
      purpose: `open a socket${netns ? ` in ${netns.id}` : ""}`,
      feature: FAMILY_NAMES[family] ?? `address family ${family}`,
    });
  return netns ? inNetns(netns, open) : open();
}

/** Runs `prepare` on a new socket and gives it out; closes it if that throws. */
export function prepared(fd: number, prepare: (fd: number) => void): number {
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** An option whose value is a C int. */
export interface IntOption {
  readonly level: number;
  readonly name: number;
  readonly value: number;
}

/** @throws MeshError as {@link checked} */
export function setOption(
  fd: number,
  option: IntOption,
  context: Omit<CallContext, "syscall"> & { label: string },
): void {
  const { label, ...rest } = context;
  const value = Buffer.alloc(4);
  value.writeInt32LE(option.value | 0);
  checked(libc().setsockopt(fd, option.level, option.name, value, 4), { ...rest, syscall: `setsockopt(${label})` });
}

/** @throws MeshError LINUX_CAPABILITY_MISSING */
export function setMark(fd: number, mark: number): void {
  const purpose = `mark a socket with 0x${mark.toString(16)}`;
  setOption(
    fd,
    { level: SOL_SOCKET, name: SO_MARK, value: mark },
    { label: "SO_MARK", purpose, capability: "NET_ADMIN" },
  );
}

/**
 * Lets a socket use addresses that are not this namespace's own: accept for them, or connect from them.
 * @throws MeshError LINUX_CAPABILITY_MISSING
 */
export function setTransparent(fd: number, family: number): void {
  const option =
    family === AF_INET
      ? { level: SOL_IP, name: IP_TRANSPARENT, value: 1, label: "IP_TRANSPARENT" }
      : { level: SOL_IPV6, name: IPV6_TRANSPARENT, value: 1, label: "IPV6_TRANSPARENT" };
  setOption(fd, option, { label: option.label, purpose: "make a socket transparent", capability: "NET_ADMIN" });
}

/** Lets bind take foreign addresses and leaves the choice of the port to connect, so that ports are shared by peers. */
export function setFreeBind(fd: number, family: number): void {
  const purpose = "prepare a socket for a foreign source address";
  const free =
    family === AF_INET
      ? { level: SOL_IP, name: IP_FREEBIND, value: 1, label: "IP_FREEBIND" }
      : { level: SOL_IPV6, name: IPV6_FREEBIND, value: 1, label: "IPV6_FREEBIND" };
  setOption(fd, free, { label: free.label, purpose });
  const late = { level: SOL_IP, name: IP_BIND_ADDRESS_NO_PORT, value: 1 };
  setOption(fd, late, { label: "IP_BIND_ADDRESS_NO_PORT", purpose });
}

/** Applies {@link TcpOptions} to a descriptor. @throws MeshError LINUX_CAPABILITY_MISSING, LINUX_SYSCALL */
export function setTcpOptions(fd: number, { mark, keepAlive, userTimeoutMs, noDelay = true }: TcpOptions): void {
  if (mark !== undefined) setMark(fd, mark);
  if (noDelay) setTcp(fd, TCP_NODELAY, 1, "TCP_NODELAY");
  if (userTimeoutMs !== undefined) setTcp(fd, TCP_USER_TIMEOUT, userTimeoutMs, "TCP_USER_TIMEOUT");
  if (!keepAlive) return;
  const on = { level: SOL_SOCKET, name: SO_KEEPALIVE, value: 1 };
  setOption(fd, on, { label: "SO_KEEPALIVE", purpose: "turn keep-alive on" });
  setTcp(fd, TCP_KEEPIDLE, keepAlive.idleSeconds, "TCP_KEEPIDLE");
  setTcp(fd, TCP_KEEPINTVL, keepAlive.intervalSeconds, "TCP_KEEPINTVL");
  setTcp(fd, TCP_KEEPCNT, keepAlive.probes, "TCP_KEEPCNT");
}

/**
 * Applies {@link TcpOptions} to a connected socket that was made elsewhere. Node's own `setKeepAlive` can set the idle
 * time only.
 * @throws MeshError LINUX_ARGUMENT_INVALID for a closed socket, LINUX_CAPABILITY_MISSING, LINUX_SYSCALL
 */
export function tuneSocket(socket: Socket, options: TcpOptions): void {
  setTcpOptions(descriptorOf(socket), options);
}

/**
 * The descriptor of an open socket, TLS sockets included. Node has no public way to it; `_handle.fd` has been there
 * since its first versions, and a test keeps watch.
 * @throws MeshError LINUX_ARGUMENT_INVALID
 */
export function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { readonly fd?: number } | null };
  if (handle?.fd !== undefined && handle.fd >= 0) return handle.fd;
  throw linuxErrors.create("LINUX_ARGUMENT_INVALID", "a socket without a descriptor was given: it is closed already");
}

function setTcp(fd: number, name: number, value: number, label: string): void {
  setOption(fd, { level: SOL_TCP, name, value }, { label, purpose: `set ${label} to ${value}` });
}
