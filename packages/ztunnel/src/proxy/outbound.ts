// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { toMeshError } from "@ambientmesh/core";
import type { HbonePool } from "@ambientmesh/hbone";
import { originalDestination } from "@ambientmesh/linux";
import { planOutbound, type OutboundPlan } from "../decision/outbound.ts";
import { canonicalIp, type SocketAddress } from "../net/address.ts";
import { refuse, type Refusal } from "../reasons.ts";
import type { Workload } from "../state/model.ts";
import type { Connection } from "../telemetry/connections.ts";
import { partyOfWorkload } from "../telemetry/party.ts";
import { failureOf, isWorthAnotherEndpoint } from "./failures.ts";
import { OutboundTunnels } from "./outbound-tunnel.ts";
import { describeWorkload, localWorkload, type PodContext } from "./pod-context.ts";
import { relayTunnel } from "./relay-tunnel.ts";
import { relay } from "./relay.ts";
import type { PeerTarget } from "./tunnel-pool.ts";

/** How many endpoints are tried for one connection, as long as none of its bytes was forwarded. */
const MAX_ENDPOINTS = 2;

type Forwarding = Exclude<OutboundPlan, Refusal>;
/** The way to the next hop is open: copies until both sides are done. */
type Established = { readonly kind: "established"; readonly copy: () => Promise<void> };

/** Takes over the connections that a pod opens. */
export class OutboundProxy {
  readonly #pod: PodContext;
  readonly #tunnels: OutboundTunnels;
  /** Connections whose way is not open yet. */
  #connecting = 0;
  #settled: PromiseWithResolvers<void> | undefined;

  constructor(pod: PodContext, pool: HbonePool<PeerTarget>) {
    this.#pod = pod;
    this.#tunnels = new OutboundTunnels(pod, pool);
  }

  /** Resolves when no connection waits for its way to be open: from then on nobody asks for tunnels. */
  async whenSettled(): Promise<void> {
    if (this.#connecting === 0) return;
    this.#settled ??= Promise.withResolvers();
    await this.#settled.promise;
  }

  /** Serves one accepted connection to its end. Owns the socket. */
  async serve(socket: Socket): Promise<void> {
    const { remoteAddress = "", remotePort = 0 } = socket;
    const { address, port } = originalDestination(socket);
    const connection = this.#pod.connections.begin({
      direction: "outbound",
      src: { ip: canonicalIp(remoteAddress) ?? remoteAddress, port: remotePort },
      wanted: { ip: canonicalIp(address) ?? address, port },
    });
    // Until the copying begins, which has its own view of errors.
    const onEarlyError = (): void =>
      connection.cut({ reason: "CLIENT_GONE", error: "the client reset the connection", endedBy: "client" });
    socket.on("error", onEarlyError);
    try {
      const result = await this.#connectCounted(socket, connection);
      if (result.kind === "established") {
        socket.off("error", onEarlyError);
        await result.copy();
      } else {
        connection.finish({ reason: result.reason, error: result.message, endedBy: "proxy" });
      }
    } catch (error) {
      this.#pod.logger.error("an outbound connection failed unexpectedly", { error });
      connection.finish({ reason: "INTERNAL", error: toMeshError(error).message, endedBy: "proxy" });
    } finally {
      socket.destroy();
    }
  }

  async #connectCounted(socket: Socket, connection: Connection): Promise<Established | Refusal> {
    this.#connecting++;
    try {
      return await this.#connect(socket, connection);
    } finally {
      if (--this.#connecting === 0) this.#settled?.resolve();
    }
  }

  async #connect(socket: Socket, connection: Connection): Promise<Established | Refusal> {
    const overload = this.#pod.connections.overload();
    if (overload) return overload;
    const source = await localWorkload(this.#pod, connection.signal);
    if (!source) return refuse("SOURCE_UNKNOWN", describeWorkload(this.#pod));
    connection.reached("source-known");
    connection.describe({ source: partyOfWorkload(source) });
    const { onDemand } = this.#pod.shared;
    await onDemand?.forOutbound({ network: source.network, ip: connection.wanted.ip }, connection.signal);
    const excluded = new Set<string>();
    let failure: Refusal | undefined;
    for (let attempt = 1; attempt <= MAX_ENDPOINTS; attempt++) {
      const plan = planOutbound(this.#pod.shared.decisions, {
        source,
        sourceIp: connection.src.ip,
        destination: connection.wanted,
        excluded,
      });
      if (plan.kind === "refuse") {
        if (!failure) return plan;
        // Nothing else to try: the first failure says more than that.
        break;
      }
      connection.reached("decided");
      const result = await this.#attempt(socket, connection, { plan, source });
      if (result.kind === "established") return result;
      failure = result;
      if (!("workload" in plan) || connection.signal.aborted || !isWorthAnotherEndpoint(result.reason)) break;
      excluded.add(plan.workload.uid);
    }
    // It counts, with the labels of the endpoint that was tried last.
    connection.open();
    return failure ?? refuse("INTERNAL", "no endpoint was tried");
  }

  async #attempt(
    socket: Socket,
    connection: Connection,
    { plan, source }: { readonly plan: Forwarding; readonly source: Workload },
  ): Promise<Established | Refusal> {
    try {
      const ip = await this.#pod.shared.resolver.addressOf(plan.target, source);
      const hop = { ip, port: plan.target.port };
      if (plan.kind === "passthrough" || plan.kind === "tcp") {
        return await this.#plain(socket, connection, { plan, hop });
      }
      const opened = await this.#tunnels.open(connection, { plan, source, hop });
      if (opened.kind === "refuse") return opened;
      const { buffers } = this.#pod.shared;
      const way = { socket, tunnel: opened.tunnel, appSide: "client", buffers } as const;
      return this.#established(connection, () => relayTunnel(way, connection, connection.signal));
    } catch (error) {
      return failureOf(error);
    }
  }

  async #plain(
    socket: Socket,
    connection: Connection,
    { plan, hop }: { readonly plan: Extract<Forwarding, { kind: "passthrough" | "tcp" }>; readonly hop: SocketAddress },
  ): Promise<Established> {
    connection.describe({
      dst: hop,
      protocol: "TCP",
      isMutualTls: false,
      service: plan.service,
      destination: plan.kind === "tcp" ? partyOfWorkload(plan.workload) : undefined,
      destinationIdentity: plan.kind === "tcp" ? plan.workload.identity : undefined,
      rule: plan.kind,
    });
    const upstream = await this.#pod.sockets.connect(hop, connection.signal);
    return this.#established(connection, () => relay(socket, upstream, connection, connection.signal));
  }

  #established(connection: Connection, copy: () => ReturnType<typeof relay>): Established {
    connection.reached("connected");
    connection.open();
    return { kind: "established", copy: async () => connection.finish(await copy()) };
  }
}
