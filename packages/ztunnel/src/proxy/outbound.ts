// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { toMeshError } from "@ambientmesh/core";
import {
  createTraceParent,
  formatBaggage,
  formatForwarded,
  formatTraceParent,
  type Forwarded,
  type HbonePool,
} from "@ambientmesh/hbone";
import { originalDestination } from "@ambientmesh/linux";
import { planOutbound, type OutboundPlan } from "../decision/outbound.ts";
import { canonicalIp, formatSocketAddress, type SocketAddress } from "../net/address.ts";
import { refuse, type Refusal } from "../reasons.ts";
import type { Workload } from "../state/model.ts";
import type { Connection } from "../telemetry/connections.ts";
import { baggageOf, partyOfWorkload } from "../telemetry/party.ts";
import { failureOf, isWorthAnotherEndpoint } from "./failures.ts";
import { describeWorkload, localWorkload, type PodContext } from "./pod-context.ts";
import { relayTunnel } from "./relay-tunnel.ts";
import { relay } from "./relay.ts";
import { peerTarget, type PeerTarget } from "./tunnel-pool.ts";

/** How many endpoints are tried for one connection, as long as none of its bytes was forwarded. */
const MAX_ENDPOINTS = 2;

type Forwarding = Exclude<OutboundPlan, Refusal>;
/** The way to the next hop is open: copies until both sides are done. */
type Established = { readonly kind: "established"; readonly copy: () => Promise<void> };

function forwardedOf({ src }: Connection, host: string | undefined): Forwarded {
  return { for: { address: src.ip, port: src.port }, ...(host !== undefined && { host }) };
}

/** Takes over the connections that a pod opens. */
export class OutboundProxy {
  readonly #pod: PodContext;
  readonly #pool: HbonePool<PeerTarget>;

  constructor(pod: PodContext, pool: HbonePool<PeerTarget>) {
    this.#pod = pod;
    this.#pool = pool;
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
      const result = await this.#connect(socket, connection);
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

  async #connect(socket: Socket, connection: Connection): Promise<Established | Refusal> {
    const source = await localWorkload(this.#pod, connection.signal);
    if (!source) return refuse("SOURCE_UNKNOWN", describeWorkload(this.#pod));
    connection.reached("source-known");
    connection.describe({ source: partyOfWorkload(source) });
    const excluded = new Set<string>();
    let failure: Refusal | undefined;
    for (let attempt = 1; attempt <= MAX_ENDPOINTS; attempt++) {
      const plan = planOutbound(this.#pod.shared.decisions, {
        source,
        sourceIp: connection.src.ip,
        destination: connection.wanted,
        excluded,
      });
      // Nothing else to try: the first failure says more than that.
      if (plan.kind === "refuse") return failure ?? plan;
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
      if (plan.kind === "double-hbone") {
        return refuse(
          "GATEWAY_UNSUPPORTED",
          `tunnels through network gateways are not supported by this version: ${plan.authority}`,
        );
      }
      const ip = await this.#pod.shared.resolver.addressOf(plan.target, source);
      const hop = { ip, port: plan.target.port };
      return plan.kind === "hbone"
        ? await this.#tunnel(socket, connection, { plan, source, hop })
        : await this.#plain(socket, connection, { plan, hop });
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

  async #tunnel(
    socket: Socket,
    connection: Connection,
    {
      plan,
      source,
      hop,
    }: {
      readonly plan: Extract<Forwarding, { kind: "hbone" }>;
      readonly source: Workload;
      readonly hop: SocketAddress;
    },
  ): Promise<Established | Refusal> {
    const trace = createTraceParent();
    const authority =
      typeof plan.authority === "string"
        ? plan.authority
        : formatSocketAddress({ ip: hop.ip, port: plan.authority.port });
    connection.describe({
      dst: hop,
      hboneAuthority: authority,
      protocol: "HBONE",
      isMutualTls: true,
      service: plan.service,
      sourceIdentity: source.identity,
      destination: partyOfWorkload(plan.workload),
      destinationIdentity: plan.workload.identity,
      rule: plan.via,
      traceId: trace.traceId,
    });
    const outcome = await this.#pool.connect(peerTarget(source.identity, plan.expected, hop, connection.src.ip), {
      authority,
      headers: {
        baggage: formatBaggage(baggageOf(source)),
        forwarded: formatForwarded(forwardedOf(connection, plan.service?.hostname)),
        traceparent: formatTraceParent(trace),
      },
      signal: connection.signal,
    });
    if (outcome.kind === "open" && outcome.status === 200) {
      const { buffers } = this.#pod.shared;
      const way = { socket, tunnel: outcome.tunnel, appSide: "client", buffers } as const;
      return this.#established(connection, () => relayTunnel(way, connection, connection.signal));
    }
    if (outcome.kind === "open") outcome.tunnel.destroy();
    return refuse(outcome.status === 503 ? "PEER_UNABLE" : "PEER_REFUSED", `http status: ${outcome.status}`);
  }

  #established(connection: Connection, copy: () => ReturnType<typeof relay>): Established {
    connection.reached("connected");
    connection.open();
    return { kind: "established", copy: async () => connection.finish(await copy()) };
  }
}
