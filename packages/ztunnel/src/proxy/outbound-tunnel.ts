// SPDX-License-Identifier: Apache-2.0
import {
  createTraceParent,
  formatBaggage,
  formatForwarded,
  formatTraceParent,
  openHboneConnection,
  parseBaggage,
  type ConnectOutcome,
  type HbonePool,
  type TraceParent,
  type TunnelStream,
} from "@ambientmesh/hbone";
import type { OutboundPlan } from "../decision/outbound.ts";
import { formatSocketAddress, type SocketAddress } from "../net/address.ts";
import { refuse, type Refusal } from "../reasons.ts";
import type { Workload } from "../state/model.ts";
import type { Connection } from "../telemetry/connections.ts";
import { baggageOf, partyOfBaggage, partyOfWorkload } from "../telemetry/party.ts";
import { FORWARDED_NETWORK } from "./inbound-peer.ts";
import type { PodContext } from "./pod-context.ts";
import { peerTarget, secureTunnel, tunnelLimits, type PeerTarget } from "./tunnel-pool.ts";

/** A plan that a tunnel is part of. */
export type TunnelPlan = Extract<OutboundPlan, { kind: "hbone" | "double-hbone" }>;

export interface TunnelRequest {
  readonly plan: TunnelPlan;
  readonly source: Workload;
  /** Where the peer's HBONE listener is. */
  readonly hop: SocketAddress;
}

type Opened = { readonly kind: "tunnel"; readonly tunnel: TunnelStream };

/** Opens tunnels for one pod's connections: to the next hop, or through a network's gateway to what lies behind it. */
export class OutboundTunnels {
  readonly #pod: PodContext;
  readonly #pool: HbonePool<PeerTarget>;

  constructor(pod: PodContext, pool: HbonePool<PeerTarget>) {
    this.#pod = pod;
    this.#pool = pool;
  }

  /** @throws MeshError of the pool and of `openHboneConnection` */
  async open(connection: Connection, request: TunnelRequest): Promise<Opened | Refusal> {
    const { plan, source, hop } = request;
    const trace = createTraceParent();
    const authority =
      typeof plan.authority === "string"
        ? plan.authority
        : formatSocketAddress({ ip: hop.ip, port: plan.authority.port });
    const isDouble = plan.kind === "double-hbone";
    connection.describe({
      dst: hop,
      hboneAuthority: authority,
      protocol: isDouble ? "DOUBLEHBONE" : "HBONE",
      isMutualTls: true,
      service: plan.service,
      sourceIdentity: source.identity,
      destination: partyOfWorkload(plan.workload),
      destinationIdentity: plan.workload.identity,
      rule: isDouble ? "network-gateway" : plan.via,
      traceId: trace.traceId,
    });
    const headers = this.#headers(connection, request, trace);
    const target = peerTarget(source.identity, plan.expected, hop, connection.src.ip);
    const outer = openedBy(await this.#pool.connect(target, { authority, headers, signal: connection.signal }));
    if (outer.kind === "refuse" || plan.kind === "hbone") return outer;
    return this.#openInner(connection, outer.tunnel, {
      authority,
      source,
      expected: plan.innerExpected,
      headers: { ...headers, [FORWARDED_NETWORK]: this.#pod.shared.config.network },
    });
  }

  #headers({ src }: Connection, { plan, source }: TunnelRequest, trace: TraceParent): Readonly<Record<string, string>> {
    const host = plan.service?.hostname;
    return {
      baggage: formatBaggage(baggageOf(source)),
      forwarded: formatForwarded({ for: { address: src.ip, port: src.port }, ...(host !== undefined && { host }) }),
      traceparent: formatTraceParent(trace),
    };
  }

  /** A connection of its own inside the tunnel to the gateway: who serves it is known from its TLS and its answer only. */
  async #openInner(
    connection: Connection,
    outer: TunnelStream,
    request: {
      readonly authority: string;
      readonly source: Workload;
      readonly expected: PeerTarget["expected"];
      readonly headers: Readonly<Record<string, string>>;
    },
  ): Promise<Opened | Refusal> {
    const { shared } = this.#pod;
    const { clock, buffers, config } = shared;
    const { signal } = connection;
    const peer = { source: request.source.identity, expected: request.expected };
    const inner = await openHboneConnection(
      outer,
      { secure: (raw, limits) => secureTunnel(shared, raw, peer, limits), clock, buffers },
      { ...tunnelLimits(config), signal },
    );
    const { authority, headers } = request;
    try {
      const outcome = await inner.connect({ authority, headers, signal });
      const opened = openedBy(outcome);
      if (opened.kind === "refuse") return opened;
      const { baggage } = outcome.headers;
      connection.describe({
        destination: baggage === undefined ? undefined : partyOfBaggage(parseBaggage(baggage)),
        destinationIdentity: inner.info.peer.id,
      });
      return opened;
    } finally {
      // It carries this tunnel, and closes with it.
      inner.drain();
    }
  }
}

function openedBy(outcome: ConnectOutcome): Opened | Refusal {
  if (outcome.kind === "open" && outcome.status === 200) return { kind: "tunnel", tunnel: outcome.tunnel };
  if (outcome.kind === "open") outcome.tunnel.destroy();
  return refuse(outcome.status === 503 ? "PEER_UNABLE" : "PEER_REFUSED", `http status: ${outcome.status}`);
}
