// SPDX-License-Identifier: Apache-2.0
import type { Server, Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { PORTS } from "@ambientmesh/api";
import { Drain } from "@ambientmesh/core";
import type { HbonePool } from "@ambientmesh/hbone";
import type { SpiffeId } from "@ambientmesh/spiffe";
import { DnsProxy } from "../dns/dns-proxy.ts";
import type { Pod, RunningPod } from "../inpod/pod.ts";
import type { SocketAddress } from "../net/address.ts";
import { ConnectionBook } from "../telemetry/connections.ts";
import { InboundProxy } from "./inbound.ts";
import { OutboundProxy } from "./outbound.ts";
import { PlaintextProxy } from "./plaintext.ts";
import type { PodContext } from "./pod-context.ts";
import { PodSockets, type ListenPort, type SocketPlace } from "./pod-sockets.ts";
import { PolicyGuard } from "./policy-guard.ts";
import { cutRevoked } from "./revocation.ts";
import type { SharedDeps } from "./shared-deps.ts";
import { createTunnelPool, type PeerTarget } from "./tunnel-pool.ts";

/** All that a pod needs. */
const EVERYTHING: readonly ListenPort[] = [PORTS.HBONE, PORTS.INBOUND_PLAINTEXT, PORTS.OUTBOUND];

/** The proxy of one pod: listeners in its namespace, its own tunnels, connections and drain. */
export class PodProxy implements RunningPod {
  readonly connections: ConnectionBook;
  readonly #pod: PodContext;
  readonly #drain: Drain;
  /** Later than the drain: connections that were accepted before it still get their tunnels. */
  readonly #poolDraining: AbortController = new AbortController();
  readonly #guard: PolicyGuard;
  readonly #pool: HbonePool<PeerTarget>;
  readonly #inbound: InboundProxy;
  readonly #outbound: OutboundProxy;
  readonly #plaintext: PlaintextProxy;
  readonly #dns: DnsProxy | undefined;
  readonly #subscriptions: Disposable[] = [];
  readonly #servers: Server[] = [];

  constructor(shared: SharedDeps, { uid, workload }: Omit<Pod, "netns">, place: SocketPlace) {
    const { config, clock, state } = shared;
    const logger = shared.logger.child("proxy", { pod: `${workload.namespace}/${workload.name}`, uid });
    this.connections = new ConnectionBook(shared.reporting, { capacity: shared.maxPodConnections });
    this.#drain = new Drain(clock);
    const sockets = new PodSockets({ clock, logger }, place);
    this.#pod = { shared, logger, workload, sockets, connections: this.connections };
    this.#guard = new PolicyGuard(
      { state, logger: logger.child("policy"), metrics: shared.policyMetrics },
      { isLoggedAsInfo: config.isPolicyLoggedAsInfo },
    );
    this.#pool = createTunnelPool(shared, sockets, {
      draining: this.#poolDraining.signal,
      forced: this.#drain.forced,
      hold: () => this.#drain.hold(),
    });
    this.#inbound = new InboundProxy(this.#pod, this.#guard, this.#drain);
    this.#outbound = new OutboundProxy(this.#pod, this.#pool);
    this.#plaintext = new PlaintextProxy(this.#pod, this.#guard);
    this.#dns = shared.dns && new DnsProxy({ shared: shared.dns, workload, sockets, logger, drain: this.#drain });
  }

  /**
   * Opens the listeners; without `ports` all that are wanted, and the DNS proxy. On failure everything is closed again.
   * @throws MeshError LINUX_SYSCALL (a port is taken), LINUX_CAPABILITY_MISSING
   */
  async start(ports?: readonly ListenPort[]): Promise<void> {
    const { isProxyEnabled } = this.#pod.shared.config;
    try {
      this.#pod.sockets.handOverPending();
      for (const port of ports ?? (isProxyEnabled ? EVERYTHING : [])) await this.#listen(port);
      if (ports === undefined) await this.#dns?.start(this.#dnsAddresses());
    } catch (error) {
      await this.drain(0);
      throw error;
    }
    this.#followCertificates();
  }

  async drain(graceMs: number): Promise<void> {
    // Right after the event loop has accepted what was queued, so that next to nothing is left in the queue.
    if (graceMs > 0) await nextTurn();
    this.#dns?.close();
    for (const server of this.#servers) server.close();
    this.#drain.forced.addEventListener("abort", () => this.#cut(), { once: true });
    const drained = this.#drain.begin(graceMs);
    await Promise.race([this.#outbound.whenSettled(), drained]);
    this.#poolDraining.abort();
    await drained;
    this.#guard[Symbol.dispose]();
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  #dnsAddresses(): readonly SocketAddress[] {
    const { dnsProxy } = this.#pod.shared.config;
    if (!dnsProxy) return [];
    const addresses = dnsProxy.ip === undefined ? this.#pod.sockets.loopback() : [dnsProxy.ip];
    return addresses.map((ip) => ({ ip, port: dnsProxy.port }));
  }

  #cut(): void {
    this.connections.cut({ reason: "DRAINED", error: "closed by drain", endedBy: "proxy" });
  }

  async #listen(port: ListenPort): Promise<void> {
    const server = await this.#pod.sockets.listen(port, (socket) => this.#accept(port, socket));
    server.on("error", (error) => this.#pod.logger.error("a listener failed", { port, error }));
    this.#servers.push(server);
  }

  #accept(port: ListenPort, socket: Socket): void {
    switch (port) {
      case PORTS.HBONE:
        this.#inbound.accept(socket);
        return;
      case PORTS.INBOUND_PLAINTEXT:
        this.#held(socket, this.#plaintext);
        return;
      case PORTS.OUTBOUND:
        this.#held(socket, this.#outbound);
    }
  }

  /** Serves a connection while the drain waits for it. */
  #held(socket: Socket, proxy: OutboundProxy | PlaintextProxy): void {
    const hold = this.#drain.hold();
    proxy
      .serve(socket)
      .catch((error: unknown) => {
        // Before there was a story to tell: the client was gone already.
        this.#pod.logger.debug("an accepted connection could not be looked at", { error });
        socket.destroy();
      })
      .finally(() => hold[Symbol.dispose]());
  }

  /** New tunnels get new certificates while those that are open go on; revoked ones end. */
  #followCertificates(): void {
    const { certificates, revocation } = this.#pod.shared;
    this.#subscriptions.push(certificates.subscribe(({ before }) => before && this.#retire(before.id)));
    if (!revocation) return;
    this.#subscriptions.push(
      revocation.subscribe((lists) => cutRevoked(lists, { pool: this.#pool, server: this.#inbound.server })),
    );
  }

  #retire(identity: SpiffeId): void {
    this.#pool.retire(({ target }) => target.source === identity);
  }
}
