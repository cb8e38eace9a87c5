// SPDX-License-Identifier: Apache-2.0
import { PORTS } from "@ambientmesh/api";
import type { SpiffeId } from "@ambientmesh/spiffe";
import { formatSocketAddress, isLoopback, type Ip, type SocketAddress } from "../net/address.ts";
import { refuse, type Refusal } from "../reasons.ts";
import type { GatewayAddress, Service, Workload } from "../state/model.ts";
import type { DecisionContext } from "./context.ts";
import { describeGateway, isGateway, resolveGateway, waypointOf } from "./gateway.ts";
import { expectedIdentities, findUpstream, targetOf, type Target, type Upstream } from "./upstream.ts";

/** A connection that a pod opened. */
export interface OutboundRequest {
  /** The pod's workload: known from its network namespace, never from the packet. */
  readonly source: Workload;
  readonly sourceIp: Ip;
  /** Where the app wanted to connect to. */
  readonly destination: SocketAddress;
  /** Workloads that were tried for this connection in vain. */
  readonly excluded?: ReadonlySet<string>;
}

/** Who is at the other end of the next hop, for labels and retries. */
interface NextHop {
  readonly workload: Workload;
  /** The service that the client addressed. */
  readonly service: Service | undefined;
}

/** What happens to an outbound connection. */
export type OutboundPlan =
  /** Plain TCP to where the app wanted to go: the mesh does not know it, or the service wants it so. */
  | { readonly kind: "passthrough"; readonly target: Target; readonly service: Service | undefined }
  /** Plain TCP to a workload outside the mesh. */
  | ({ readonly kind: "tcp"; readonly target: Target } & NextHop)
  | ({
      readonly kind: "hbone";
      readonly target: Target;
      /** A port alone: with the address that the target's name resolves to. */
      readonly authority: string | { readonly port: number };
      /** The server must present one of these. */
      readonly expected: readonly SpiffeId[];
      readonly via: "direct" | "service-waypoint" | "workload-waypoint";
    } & NextHop)
  /** A tunnel to the network's gateway, and inside it one to the destination. */
  | ({
      readonly kind: "double-hbone";
      readonly target: Target;
      /** Of both tunnels: the far side chooses the endpoint. */
      readonly authority: string;
      readonly expected: readonly SpiffeId[];
      readonly innerExpected: readonly SpiffeId[];
    } & NextHop)
  | Refusal;

const NONE: ReadonlySet<string> = new Set();

/** Decides about a connection from a pod (order of checks: ztunnel, Istio 1.31). Pure but for `context.random`. */
export function planOutbound(context: DecisionContext, request: OutboundRequest): OutboundPlan {
  const { source, destination, excluded = NONE } = request;
  if (isLoopback(destination.ip) && context.illegalPorts.has(destination.port)) {
    return refuse("SELF_CALL", "attempted recursive call to ourselves");
  }
  const addressed = context.state.services.byAddress(
    { network: context.network, ip: destination.ip },
    source.namespace,
  );
  const waypoint = addressed && waypointOf(context, addressed.service);
  if (addressed && waypoint) return viaWaypoint(context, request, { waypoint, service: addressed.service });

  const address = { network: source.network, ip: destination.ip };
  const found = findUpstream(context, { source, address, port: destination.port, isForWaypoint: false, excluded });
  switch (found.kind) {
    case "unknown":
      return { kind: "passthrough", target: { kind: "ip", ...destination }, service: undefined };
    case "passthrough":
      return { kind: "passthrough", target: { kind: "ip", ...destination }, service: found.service };
    case "no-endpoint":
      return refuse("NO_ENDPOINT", `no healthy upstream: ${formatSocketAddress(destination)}`);
    case "upstream":
      return toUpstream(context, request, found.upstream);
  }
}

function toUpstream(context: DecisionContext, request: OutboundRequest, upstream: Upstream): OutboundPlan {
  const { source, sourceIp, destination } = request;
  const { workload, service } = upstream;
  if (workload.network !== source.network) return viaNetworkGateway(context, request, upstream, service);
  if (!service && workload.waypoint) {
    const claim = { kind: "peer", identity: source.identity, ip: sourceIp } as const;
    if (!isGateway(context, workload.waypoint, claim)) {
      return viaWaypoint(context, request, { waypoint: workload.waypoint, service: undefined });
    }
  }
  const isTunnelled = workload.protocol === "HBONE";
  const target = targetOf(upstream, destination.ip, isTunnelled ? PORTS.HBONE : upstream.port);
  if (!target) return refuse("NO_ADDRESS", `no resolved addresses: ${workload.uid}`);
  if (!isTunnelled) return { kind: "tcp", target, workload, service };
  return {
    kind: "hbone",
    target,
    authority:
      target.kind === "ip" ? formatSocketAddress({ ip: target.ip, port: upstream.port }) : { port: upstream.port },
    expected: expectedIdentities(upstream),
    via: "direct",
    workload,
    service,
  };
}

/** To the waypoint, with the app's own destination as authority. */
function viaWaypoint(
  context: DecisionContext,
  request: OutboundRequest,
  { waypoint, service }: { readonly waypoint: GatewayAddress; readonly service: Service | undefined },
): OutboundPlan {
  const { source, destination, excluded = NONE } = request;
  const upstream = resolveGateway(context, waypoint, { source, excluded });
  if (!upstream) return refuse("WAYPOINT_UNKNOWN", `unknown waypoint: ${describeGateway(waypoint)}`);
  if (upstream.workload.network !== source.network) return viaNetworkGateway(context, request, upstream, service);
  const target = targetOf(upstream, destination.ip, upstream.port);
  if (!target) return refuse("NO_ADDRESS", `no resolved addresses: ${upstream.workload.uid}`);
  return {
    kind: "hbone",
    target,
    authority: formatSocketAddress(destination),
    expected: expectedIdentities(upstream),
    via: service ? "service-waypoint" : "workload-waypoint",
    workload: upstream.workload,
    service,
  };
}

/** Through the gateway of another network; what lies behind it is named by service, since its addresses mean nothing here. */
function viaNetworkGateway(
  context: DecisionContext,
  request: OutboundRequest,
  upstream: Upstream,
  service: Service | undefined,
): OutboundPlan {
  const { source, destination, excluded = NONE } = request;
  const { workload } = upstream;
  const gateway = workload.networkGateway;
  if (!gateway)
    return refuse("GATEWAY_UNKNOWN", `unknown network gateway: ${workload.uid} in "${workload.network}" names none`);
  if (!service) return refuse("GATEWAY_UNKNOWN", `no service to name behind the gateway of "${workload.network}"`);
  const hop = resolveGateway(context, gateway, { source, excluded });
  const target = hop && targetOf(hop, destination.ip, hop.port);
  if (!hop || !target) return refuse("GATEWAY_UNKNOWN", `unknown network gateway: ${describeGateway(gateway)}`);
  return {
    kind: "double-hbone",
    target,
    authority: `${service.hostname}:${destination.port}`,
    expected: expectedIdentities(hop),
    innerExpected: expectedIdentities(upstream),
    workload: hop.workload,
    service,
  };
}
