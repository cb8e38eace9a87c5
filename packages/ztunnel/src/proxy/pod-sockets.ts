// SPDX-License-Identifier: Apache-2.0
import type { Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { PORTS } from "@ambientmesh/api";
import type { Clock, Logger } from "@ambientmesh/core";
import {
  bindUdp,
  connectTcp,
  hostNetns,
  isIpv6Enabled,
  linuxErrors,
  listenTcp,
  type KeepAlive,
  type ListenOptions,
  type NetnsRef,
  type TcpOptions,
  writeSysctl,
} from "@ambientmesh/linux";
import type { ZtunnelConfig } from "../config/model.ts";
import { familyOf, type Ip, type SocketAddress } from "../net/address.ts";
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
  /** Only sockets that go out are marked, not those that listen. */
  readonly isOnlyOutgoingMarked?: boolean;
}

/** Ports of a pod that this proxy listens on. */
export type ListenPort = typeof PORTS.OUTBOUND | typeof PORTS.INBOUND_PLAINTEXT | typeof PORTS.HBONE;

type SocketOptions = TcpOptions & { readonly netns?: NetnsRef };

/** Makes the sockets of one pod: inside its network namespace, with the mark that the redirection rules know. */
export class PodSockets {
  readonly #place: SocketPlace;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tcp: SocketOptions;
  readonly #listening: SocketOptions;
  #canKeepSource: boolean;

  constructor(deps: { readonly clock: Clock; readonly logger: Logger }, place: SocketPlace) {
    this.#place = place;
    this.#clock = deps.clock;
    this.#logger = deps.logger;
    this.#tcp = tcpOptions(place);
    this.#listening = tcpOptions(place.isOnlyOutgoingMarked ? { ...place, packetMark: undefined } : place);
    this.#canKeepSource = place.originalSource !== "never";
  }

  /**
   * Listens on a port; accepted sockets are not read from until somebody does, so that what a client sent to a connection
   * that is refused stays unread and the kernel answers it with a reset.
   * @throws MeshError LINUX_SYSCALL (the port is taken), LINUX_CAPABILITY_MISSING
   */
  async listen(port: ListenPort, onConnection: (socket: Socket) => void): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, onConnection);
    const { keepAlive: _keepAlive, userTimeoutMs: _userTimeoutMs, ...bare } = this.#listening;
    const options = {
      // Tunnels have pings of their own.
      ...(port === PORTS.HBONE ? bare : this.#listening),
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
   * Lets connections that a closing listener has not accepted yet go to another one on the same port (Linux 5.14), which is
   * that of our successor; without it they are reset. Best effort: the file system of a container may forbid it.
   */
  handOverPending(): void {
    const { netns, isPortReused } = this.#place;
    if (netns === undefined || !isPortReused) return;
    try {
      writeSysctl(netns, "net/ipv4/tcp_migrate_req", 1);
    } catch (error) {
      this.#logger.debug("connections may be refused while this proxy is replaced", { error });
    }
  }

  /** Loopback addresses that programs of the pod can use. */
  loopback(): readonly Ip[] {
    const hasIpv6 = this.#place.isIpv6Enabled && isIpv6Enabled(this.#place.netns ?? hostNetns());
    return hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"];
  }

  /**
   * Listens at one address, for the pod's own programs.
   * @throws MeshError as {@link listen}
   */
  async listenAt({ ip, port }: SocketAddress, onConnection: (socket: Socket) => void): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
    await listenTcp(server, { ...this.#listening, address: ip, port, reusePort: this.#place.isPortReused });
    return server;
  }

  /**
   * Takes datagrams at one address.
   * @throws MeshError as {@link listen}
   */
  bindUdp({ ip, port }: SocketAddress): Promise<UdpSocket> {
    return bindUdp({ ...udpOptions(this.#listening), address: ip, port, reusePort: this.#place.isPortReused });
  }

  /** A socket for datagrams to a server and back. */
  openUdp({ ip }: SocketAddress): Promise<UdpSocket> {
    const address = familyOf(ip) === 4 ? "0.0.0.0" : "::";
    return bindUdp({ ...udpOptions(this.#tcp), address, port: 0, reusePort: false });
  }

  /**
   * Connects to a next hop.
   * @throws MeshError LINUX_CONNECT_FAILED, LINUX_CONNECT_TIMEOUT, ABORTED
   */
  connect({ ip, port }: SocketAddress, signal: AbortSignal, timeoutMs: number = CONNECT_TIMEOUT_MS): Promise<Socket> {
    return connectTcp({ ...this.#tcp, host: ip, port, timeoutMs, signal }, { clock: this.#clock });
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

function udpOptions({ mark, netns }: SocketOptions): Pick<SocketOptions, "mark" | "netns"> {
  return { ...(mark !== undefined && { mark }), ...(netns && { netns }) };
}

function isAboutSource(error: unknown): boolean {
  return ["LINUX_CAPABILITY_MISSING", "LINUX_SYSCALL", "LINUX_ADDRESS_INVALID"].some((code) =>
    linuxErrors.is(error, code as "LINUX_SYSCALL"),
  );
}

function tcpOptions({ netns, packetMark, keepalive }: SocketPlace): SocketOptions {
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
