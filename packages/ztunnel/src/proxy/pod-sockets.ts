// SPDX-License-Identifier: Apache-2.0
import { createServer, type Server, type Socket } from "node:net";
import { PORTS } from "@ambientmesh/api";
import type { Clock, Logger } from "@ambientmesh/core";
import {
  connectTcp,
  linuxErrors,
  listenTcp,
  type KeepAlive,
  type ListenOptions,
  type NetnsRef,
  type TcpOptions,
} from "@ambientmesh/linux";
import type { ZtunnelConfig } from "../config/model.ts";
import type { Ip, SocketAddress } from "../net/address.ts";
import { CONNECT_TIMEOUT_MS } from "./shared-deps.ts";

/** Where sockets are made, and how. */
export interface SocketPlace extends Pick<
  ZtunnelConfig,
  "isPortReused" | "isIpv6Enabled" | "originalSource" | "keepalive"
> {
  /** Undefined: the namespace of this process. */
  readonly netns?: NetnsRef | undefined;
  /** Undefined: none. */
  readonly packetMark?: number | undefined;
}

/** Ports of a pod that this proxy listens on. */
export type ListenPort = typeof PORTS.OUTBOUND | typeof PORTS.INBOUND_PLAINTEXT | typeof PORTS.HBONE;

/** Makes the sockets of one pod: inside its network namespace, with the mark that the redirection rules know. */
export class PodSockets {
  readonly #place: SocketPlace;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tcp: TcpOptions & { readonly netns?: NetnsRef };
  #canKeepSource: boolean;

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }, place: SocketPlace) {
    this.#place = place;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#tcp = tcpOptions(place);
    this.#canKeepSource = place.originalSource !== "never";
  }

  /**
   * Listens on a port; accepted sockets are not read from until somebody does, so that what a client sent to a connection
   * that is refused stays unread and the kernel answers it with a reset.
   * @throws MeshError LINUX_SYSCALL (the port is taken), LINUX_CAPABILITY_MISSING
   */
  async listen(port: ListenPort, onConnection: (socket: Socket) => void): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, onConnection);
    const { keepAlive: _keepAlive, userTimeoutMs: _userTimeoutMs, ...bare } = this.#tcp;
    const options = {
      // Tunnels have pings of their own.
      ...(port === PORTS.HBONE ? bare : this.#tcp),
      port,
      reusePort: this.#place.isPortReused,
    };
    try {
      await this.#bind(server, options, this.#place.isIpv6Enabled ? "::" : "0.0.0.0");
    } catch (error) {
      // A kernel without IPv6 knows no such sockets at all.
      if (!linuxErrors.is(error, "LINUX_FEATURE_MISSING")) throw error;
      await this.#bind(server, options, "0.0.0.0");
    }
    return server;
  }

  async #bind(server: Server, options: Omit<ListenOptions, "address">, address: string): Promise<void> {
    try {
      await listenTcp(server, { ...options, address, transparent: this.#canKeepSource });
    } catch (error) {
      if (this.#place.originalSource !== "auto" || !linuxErrors.is(error, "LINUX_CAPABILITY_MISSING")) throw error;
      this.#canKeepSource = false;
      this.#logger.warn("apps will not see their clients' addresses", { error });
      await listenTcp(server, { ...options, address });
    }
  }

  /**
   * Connects to a next hop.
   * @throws MeshError LINUX_CONNECT_FAILED, LINUX_CONNECT_TIMEOUT, ABORTED
   */
  connect({ ip, port }: SocketAddress, signal: AbortSignal): Promise<Socket> {
    return connectTcp({ ...this.#tcp, host: ip, port, timeoutMs: CONNECT_TIMEOUT_MS, signal }, { clock: this.#clock });
  }

  /**
   * Connects to the pod's app as if its client did. Where that can't be done the app sees the proxy's address, unless the
   * configuration demands the client's.
   * @throws MeshError as {@link connect}; LINUX_CAPABILITY_MISSING, LINUX_SYSCALL where the source is demanded
   */
  async connectToApp(target: SocketAddress, client: Ip, signal: AbortSignal): Promise<Socket> {
    if (!this.#canKeepSource || client === target.ip) return this.connect(target, signal);
    try {
      return await connectTcp(
        {
          ...this.#tcp,
          host: target.ip,
          port: target.port,
          bindAddress: client,
          timeoutMs: CONNECT_TIMEOUT_MS,
          signal,
        },
        { clock: this.#clock },
      );
    } catch (error) {
      if (this.#place.originalSource === "required" || !isAboutSource(error)) throw error;
      this.#logger.warn("an app does not see its client's address", { client, error });
      return this.connect(target, signal);
    }
  }
}

function isAboutSource(error: unknown): boolean {
  return ["LINUX_CAPABILITY_MISSING", "LINUX_SYSCALL", "LINUX_ADDRESS_INVALID"].some((code) =>
    linuxErrors.is(error, code as "LINUX_SYSCALL"),
  );
}

function tcpOptions({ netns, packetMark, keepalive }: SocketPlace): TcpOptions & { readonly netns?: NetnsRef } {
  const { isEnabled, timeMs, intervalMs, retries, isUserTimeoutEnabled } = keepalive;
  const keepAlive: KeepAlive = {
    idleSeconds: Math.max(Math.round(timeMs / 1000), 1),
    intervalSeconds: Math.max(Math.round(intervalMs / 1000), 1),
    probes: retries,
  };
  return {
    ...(netns && { netns }),
    ...(packetMark !== undefined && { mark: packetMark }),
    ...(isEnabled && { keepAlive }),
    ...(isUserTimeoutEnabled && { userTimeoutMs: timeMs + retries * intervalMs }),
  };
}
