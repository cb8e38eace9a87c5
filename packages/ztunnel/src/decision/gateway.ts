// SPDX-License-Identifier: Apache-2.0
import type { Ip } from "../net/address.ts";
import { serviceKey, type GatewayAddress, type Service, type Workload } from "../state/model.ts";
import type { DecisionContext } from "./context.ts";
import { findUpstream, serviceUpstream, type Upstream, type UpstreamResult } from "./upstream.ts";

interface GatewayRequest {
  readonly source: Workload;
  readonly excluded: ReadonlySet<string>;
}

/** The waypoint that is in charge of a service now: one of the weighted ones, else the single one. */
export function waypointOf(context: DecisionContext, service: Service): GatewayAddress | undefined {
  const total = service.weightedWaypoints.reduce((sum, { weight }) => sum + weight, 0);
  let at = context.random() * total;
  for (const { gateway, weight } of service.weightedWaypoints) {
    if (at < weight) return gateway;
    at -= weight;
  }
  return service.waypoint;
}

/** A workload behind the address of a waypoint or network gateway, with the port of its HBONE listener. */
export function resolveGateway(
  context: DecisionContext,
  gateway: GatewayAddress,
  { source, excluded }: GatewayRequest,
): Upstream | undefined {
  const { destination, hboneMtlsPort: port } = gateway;
  const request = { source, port, isForWaypoint: true, excluded };
  if (destination.kind === "address") {
    return upstreamOf(findUpstream(context, { ...request, address: destination }));
  }
  const entry = context.state.services.byName(destination);
  if (entry) return upstreamOf(serviceUpstream(context, entry, request));
  const workload = context.state.workloads.byHostname(destination);
  return workload && { workload, port, service: undefined };
}

function upstreamOf(result: UpstreamResult): Upstream | undefined {
  return result.kind === "upstream" ? result.upstream : undefined;
}

/** What a proxy is known by when it says that it is a gateway: its uid, or its identity and address. */
export type GatewayClaim =
  | { readonly kind: "workload"; readonly uid: string; readonly ip: Ip }
  | { readonly kind: "peer"; readonly identity: string; readonly ip: Ip };

/** Whether the claimant is behind the address of a waypoint. */
export function isGateway(context: DecisionContext, gateway: GatewayAddress, claim: GatewayClaim): boolean {
  const { destination } = gateway;
  const { state } = context;
  const entry =
    destination.kind === "hostname" ? state.services.byName(destination) : state.services.byAddress(destination);
  if (entry) {
    if (claim.kind === "workload") return entry.endpoints.has(claim.uid);
    return [...entry.endpoints.keys()].some((uid) => isClaimant(state.workloads.byUid(uid), claim));
  }
  const workload =
    destination.kind === "hostname" ? state.workloads.byHostname(destination) : state.workloads.byAddress(destination);
  return isClaimant(workload, claim);
}

function isClaimant(workload: Workload | undefined, claim: GatewayClaim): boolean {
  if (!workload?.addresses.includes(claim.ip)) return false;
  return claim.kind === "workload" || workload.identity === claim.identity;
}

/** For logs: how a gateway is named in discovery. */
export function describeGateway({ destination }: GatewayAddress): string {
  return destination.kind === "hostname" ? serviceKey(destination) : `${destination.network}/${destination.ip}`;
}
