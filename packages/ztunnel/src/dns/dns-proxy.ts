// SPDX-License-Identifier: Apache-2.0
import type { RemoteInfo, Socket as UdpSocket } from "node:dgram";
import type { Server, Socket } from "node:net";
import { messageOf, type DrainWatch, type Logger } from "@ambientmesh/core";
import type { SocketAddress } from "../net/address.ts";
import type { PodSockets } from "../proxy/pod-sockets.ts";
import type { LocalWorkloadName } from "../state/workload-store.ts";
import { askUdp } from "./ask-udp.ts";
import { MeshNames, type DnsShared } from "./mesh-names.ts";
import { parseQuery } from "./query.ts";
import { encodeForwardFailure, isFailure } from "./response.ts";
import { TcpSession } from "./tcp-session.ts";

/** Bounds of one pod. What goes beyond is dropped: resolvers ask again. */
const MAX_UDP_QUESTIONS = 512;
const MAX_TCP_SESSIONS = 128;
/** Limit of a TCP connect to a name server (ztunnel, Istio 1.31). */
const DIAL_TIMEOUT_MS = 5000;

export interface DnsProxyParts {
  readonly shared: DnsShared;
  readonly workload: LocalWorkloadName;
  readonly sockets: PodSockets;
  readonly logger: Logger;
  readonly drain: DrainWatch;
}

/** The DNS proxy of one pod: knows the mesh's names, passes on everything else as it came. */
export class DnsProxy {
  readonly #parts: DnsProxyParts;
  readonly #names: MeshNames;
  readonly #udp: UdpSocket[] = [];
  readonly #tcp: Server[] = [];
  readonly #sessions = new Set<TcpSession>();
  #questions = 0;

  constructor(parts: DnsProxyParts) {
    this.#parts = parts;
    this.#names = new MeshNames(parts.shared, parts.workload);
  }

  /**
   * Listens at each of the addresses, over UDP and TCP.
   * @throws MeshError LINUX_SYSCALL (the port is taken), LINUX_CAPABILITY_MISSING; call {@link close} then
   */
  async start(addresses: readonly SocketAddress[]): Promise<void> {
    const { sockets, drain, logger } = this.#parts;
    for (const address of addresses) {
      const udp = await sockets.bindUdp(address);
      this.#udp.push(udp);
      udp.on("error", (error) => logger.error("a DNS socket failed", { ...address, error }));
      udp.on("message", (message, from) => this.#onDatagram(udp, message, from));
      const tcp = await sockets.listenAt(address, (socket) => this.#onConnection(socket));
      this.#tcp.push(tcp);
      tcp.on("error", (error) => logger.error("a DNS listener failed", { ...address, error }));
    }
    drain.draining.addEventListener("abort", () => this.close(), { once: true });
    drain.forced.addEventListener("abort", () => this.#sessions.forEach((session) => session.destroy()), {
      once: true,
    });
  }

  /** Takes no more questions; those that are under way are answered. */
  close(): void {
    for (const server of this.#tcp.splice(0)) server.close();
    for (const session of this.#sessions) session.drain();
    if (this.#questions === 0) this.#closeUdp();
  }

  #closeUdp(): void {
    for (const socket of this.#udp.splice(0)) socket.close();
  }

  #onConnection(socket: Socket): void {
    const { shared, sockets, drain } = this.#parts;
    if (this.#sessions.size >= MAX_TCP_SESSIONS) {
      socket.destroy();
      return;
    }
    const hold = drain.hold();
    const session = new TcpSession(socket, {
      clock: shared.clock,
      metrics: shared.metrics,
      names: this.#names,
      nameServers: shared.nameServers,
      dial: (server, signal) => sockets.connect(server, signal, DIAL_TIMEOUT_MS),
    });
    this.#sessions.add(session);
    void session.ended.finally(() => {
      this.#sessions.delete(session);
      hold[Symbol.dispose]();
    });
  }

  #onDatagram(socket: UdpSocket, message: Buffer, from: RemoteInfo): void {
    if (this.#questions >= MAX_UDP_QUESTIONS || this.#parts.drain.draining.aborted) return;
    this.#questions++;
    const hold = this.#parts.drain.hold();
    this.#serve(message)
      .then((answer) => answer && this.#reply(socket, answer, from))
      .catch((error: unknown) => this.#parts.logger.error("a DNS question failed unexpectedly", { error }))
      .finally(() => {
        this.#questions--;
        hold[Symbol.dispose]();
        if (this.#parts.drain.draining.aborted && this.#questions === 0) this.#closeUdp();
      });
  }

  /** The answer; none to what is no question. */
  async #serve(message: Buffer): Promise<Buffer | undefined> {
    const { shared, sockets, drain, logger } = this.#parts;
    const { clock, metrics, nameServers } = shared;
    const query = parseQuery(message);
    if (query.kind === "none") return undefined;
    const question = this.#names.counted(query, "udp");
    metrics.requested(question);
    if (query.kind === "address") {
      const own = await this.#names.answer(message, query, "udp", drain.forced);
      if (own) return own;
    }
    metrics.forwarded(question);
    const askedAtMs = clock.monotonicMs();
    const settle = (hasFailed: boolean): void =>
      metrics.settled(question, { durationMs: clock.monotonicMs() - askedAtMs, isFailure: hasFailed });
    try {
      const deps = { clock, nameServers, open: (server: SocketAddress) => sockets.openUdp(server) };
      const answer = await askUdp(deps, message, drain.forced);
      settle(isFailure(answer));
      return answer;
    } catch (error) {
      logger.debug("a DNS question could not be passed on", { error: messageOf(error) });
      settle(true);
      return encodeForwardFailure(message);
    }
  }

  #reply(socket: UdpSocket, answer: Buffer, { address, port }: RemoteInfo): void {
    if (!this.#udp.includes(socket)) return;
    socket.send(answer, port, address, (error) => {
      if (error) this.#parts.logger.debug("a DNS answer could not be sent", { error });
    });
  }
}
