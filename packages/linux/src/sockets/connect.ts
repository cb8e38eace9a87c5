// SPDX-License-Identifier: Apache-2.0
import { Socket, type SocketConstructorOpts } from "node:net";
import { abortedError, systemClock, type Clock, type MeshError } from "@ambientmesh/core";
import { linuxErrors } from "../errors.ts";
import { SOCK_STREAM } from "../libc/constants.ts";
import { checked } from "../libc/failure.ts";
import { libc } from "../libc/libc.ts";
import type { NetnsRef } from "../netns/netns.ts";
import { encodeSockaddr, familyOf, formatEndpoint } from "./address.ts";
import {
  DEFAULT_KEEP_ALIVE,
  openSocket,
  prepared,
  setFreeBind,
  setTcpOptions,
  setTransparent,
  type TcpOptions,
} from "./options.ts";

/** An outgoing TCP connection. */
export interface ConnectOptions extends TcpOptions {
  /** Unset: the namespace of this process. */
  readonly netns?: NetnsRef;
  /** An IP address; names are not looked up. */
  readonly host: string;
  readonly port: number;
  /**
   * Source address, which may be somebody else's: the socket becomes transparent and binds freely (CAP_NET_ADMIN).
   * Answers come back only if the namespace routes them here (policy routing by mark). Same family as `host`.
   */
  readonly bindAddress?: string;
  /** Default 10 000, as in Istio's node proxy. */
  readonly timeoutMs?: number;
  /** Passed to `net.Socket`: `onread` (a reused read buffer), `allowHalfOpen` (default true), `highWaterMark`. */
  readonly socket?: Omit<SocketConstructorOpts, "fd" | "readable" | "writable" | "signal">;
  readonly signal?: AbortSignal;
}

/** What a connect may be given beside its address. */
export interface ConnectDeps {
  readonly clock: Clock;
}

const DEFAULT_TIMEOUT_MS = 10_000;

/**
 * Opens a TCP connection from inside a network namespace. Resolves when it is established; the socket belongs to the
 * caller. Nothing of a failed attempt stays open. Defaults: TCP_NODELAY, keep-alive {@link DEFAULT_KEEP_ALIVE}.
 * @throws MeshError LINUX_CONNECT_FAILED (details.errno), LINUX_CONNECT_TIMEOUT, LINUX_CAPABILITY_MISSING,
 * LINUX_ADDRESS_INVALID, ABORTED
 */
export async function connectTcp(
  options: ConnectOptions,
  { clock }: ConnectDeps = { clock: systemClock },
): Promise<Socket> {
  const { host, port, signal, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const place = describe(options);
  if (signal?.aborted) throw abortedError(signal, `connecting to ${place}`);
  const socket = openClient(options);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onError = (error: Error): void => reject(connectError(place, error));
  const onAbort = (): void => {
    if (signal) reject(abortedError(signal, `connecting to ${place}`));
  };
  using _timer = clock.setTimer(timeoutMs, () => reject(timeoutError(place, timeoutMs)));
  socket.once("error", onError);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    socket.connect({ host, port }, resolve);
    await promise;
    return socket;
  } catch (error) {
    // A late failure of a socket given up must not become an uncaught exception.
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  } finally {
    socket.removeListener("error", onError);
    signal?.removeEventListener("abort", onAbort);
  }
}

function openClient(options: ConnectOptions): Socket {
  const { host, port, netns, bindAddress, keepAlive = DEFAULT_KEEP_ALIVE } = options;
  encodeSockaddr({ address: host, port });
  const family = familyOf(host);
  const source = bindAddress === undefined ? undefined : encodeSockaddr({ address: bindAddress, port: 0 });
  if (bindAddress !== undefined && familyOf(bindAddress) !== family) {
    throw linuxErrors.create("LINUX_ADDRESS_INVALID", `can't connect to ${host} from ${bindAddress}: two IP versions`);
  }
  const fd = prepared(openSocket(family, SOCK_STREAM, netns), (fd) => {
    setTcpOptions(fd, { ...options, keepAlive });
    if (!source) return;
    setTransparent(fd, family);
    setFreeBind(fd, family);
    const purpose = `connect to ${describe(options)}`;
    checked(libc().bind(fd, source, source.length), { syscall: "bind", purpose, capability: "NET_ADMIN" });
  });
  // manualStart: a socket that reads before it is connected fails with ENOTCONN.
  const constructorOptions = { allowHalfOpen: true, ...options.socket, fd, manualStart: true };
  return new Socket({ ...constructorOptions, readable: true, writable: true });
}

function describe({ host, port, netns, bindAddress }: ConnectOptions): string {
  const source = bindAddress === undefined ? "" : ` from ${bindAddress}`;
  return formatEndpoint({ address: host, port }) + source + (netns ? ` in ${netns.id}` : "");
}

function connectError(place: string, error: Error): MeshError {
  const errno = (error as NodeJS.ErrnoException).code ?? "";
  return linuxErrors.create("LINUX_CONNECT_FAILED", `can't connect to ${place}: ${errno || error.message}`, {
    cause: error,
    details: { syscall: "connect", errno },
    retryable: true,
  });
}

function timeoutError(place: string, timeoutMs: number): MeshError {
  return linuxErrors.create("LINUX_CONNECT_TIMEOUT", `${place} did not answer within ${timeoutMs} ms`, {
    details: { timeoutMs },
    retryable: true,
  });
}
