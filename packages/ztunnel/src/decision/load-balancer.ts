// SPDX-License-Identifier: Apache-2.0
import type { Endpoint, LoadBalancer, Scope, Service, ServiceEntry, Workload } from "../state/model.ts";
import type { DecisionContext } from "./context.ts";

/** A workload that was drawn, and the port to use there. */
export interface Pick {
  readonly workload: Workload;
  readonly port: number;
}

export interface PickRequest {
  readonly source: Workload;
  readonly servicePort: number;
  /** Waypoints take ports that their service does not have if they are reached through an application tunnel. */
  readonly isForWaypoint: boolean;
  /** Workloads that were tried in vain. */
  readonly excluded: ReadonlySet<string>;
}

/**
 * Draws an endpoint of a service: of those with the best rank, at random by capacity.
 * One pass without allocation, since it runs for every connection over every endpoint.
 */
export function pickEndpoint(
  random: DecisionContext["random"],
  { service, endpoints }: ServiceEntry,
  request: PickRequest,
): Pick | undefined {
  const { source, servicePort, excluded } = request;
  const balancer = service.loadBalancer;
  // A numeric target port is good for every endpoint; only named ones have to be looked up in each.
  const hasPort = (service.ports.get(servicePort) ?? 0) !== 0;
  let bestRank = -1;
  let total = 0;
  let chosen: Endpoint | undefined;
  for (const endpoint of endpoints.values()) {
    const { workload } = endpoint;
    const { capacity } = workload;
    if (capacity === 0 || !isReachable(workload, source)) continue;
    const rank = balancer === undefined ? 0 : rankOf(balancer, source, workload);
    if (rank < 0 || rank < bestRank || (excluded.size > 0 && excluded.has(workload.uid))) continue;
    if (!hasPort && portAt(service, endpoint, request) === 0) continue;
    if (rank > bestRank) {
      bestRank = rank;
      total = 0;
    }
    total += capacity;
    // Each of the candidates so far stays chosen with a probability of its share in their total.
    if (random() * total < capacity) chosen = endpoint;
  }
  return chosen && { workload: chosen.workload, port: portAt(service, chosen, request) };
}

/** The port of an endpoint's app for a port of its service; 0 if it has none. */
function portAt(service: Service, { workload, ports }: Endpoint, { servicePort, isForWaypoint }: PickRequest): number {
  const isTunnelled = isForWaypoint && workload.applicationTunnel !== undefined;
  const target = service.ports.get(servicePort);
  if (target === undefined && !isTunnelled) return 0;
  return ports.get(servicePort) || target || (isTunnelled ? servicePort : 0);
}

/** Workloads without an address can be reached in another network only, through its gateway. */
function isReachable(workload: Workload, source: Workload): boolean {
  if (workload.addresses.length > 0 || workload.hostname !== "") return true;
  return workload.network !== source.network && workload.networkGateway !== undefined;
}

/** How near an endpoint is, higher is better; -1 if it must not be used. */
function rankOf(balancer: LoadBalancer, source: Workload, workload: Workload): number {
  const { mode, routingPreferences } = balancer;
  switch (mode) {
    case "Strict":
      return routingPreferences.every((scope) => matches(scope, source, workload)) ? 0 : -1;
    case "Failover":
      return failoverRank(routingPreferences, source, workload);
    default:
      return 0;
  }
}

/** Length of the matching prefix; a leading Network outweighs all that follows, and its mismatch does not end it. */
function failoverRank(preferences: readonly Scope[], source: Workload, workload: Workload): number {
  let rank = 0;
  for (const [at, scope] of preferences.entries()) {
    const isMatch = matches(scope, source, workload);
    if (scope === "Network" && at === 0) rank += isMatch ? preferences.length : 0;
    else if (isMatch) rank++;
    else break;
  }
  return rank;
}

function matches(scope: Scope, source: Workload, workload: Workload): boolean {
  switch (scope) {
    case "Region":
      return source.locality.region === workload.locality.region;
    case "Zone":
      return source.locality.zone === workload.locality.zone;
    case "Subzone":
      return source.locality.subzone === workload.locality.subzone;
    case "Node":
      return source.node === workload.node;
    case "Cluster":
      return source.clusterId === workload.clusterId;
    case "Network":
      return source.network === workload.network;
  }
}
