// SPDX-License-Identifier: Apache-2.0
import type { Endpoint, LoadBalancer, Scope, ServiceEntry, Workload } from "../state/model.ts";
import type { DecisionContext } from "./context.ts";

/** An endpoint that was drawn, and the port to use there. */
export interface Pick {
  readonly workload: Workload;
  readonly endpoint: Endpoint;
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
export function pickEndpoint(context: DecisionContext, entry: ServiceEntry, request: PickRequest): Pick | undefined {
  const balancer = entry.service.loadBalancer;
  let bestRank = -1;
  let total = 0;
  let chosen: Pick | undefined;
  for (const endpoint of entry.endpoints.values()) {
    const pick = candidate(context, entry, endpoint, request);
    const rank = pick ? rankOf(balancer, request.source, pick.workload) : -1;
    if (!pick || rank < 0 || rank < bestRank || pick.workload.capacity === 0) continue;
    if (rank > bestRank) {
      bestRank = rank;
      total = 0;
    }
    total += pick.workload.capacity;
    // Each of the candidates so far stays chosen with a probability of its share in their total.
    if (context.random() * total < pick.workload.capacity) chosen = pick;
  }
  return chosen;
}

function candidate(
  { state }: DecisionContext,
  { service }: ServiceEntry,
  endpoint: Endpoint,
  { source, servicePort, isForWaypoint, excluded }: PickRequest,
): Pick | undefined {
  const workload = state.workloads.byUid(endpoint.workloadUid);
  if (!workload || excluded.has(workload.uid) || !isReachable(workload, source)) return undefined;
  const isTunnelled = isForWaypoint && workload.applicationTunnel !== undefined;
  const servicePortTarget = service.ports.get(servicePort);
  if (servicePortTarget === undefined && !isTunnelled) return undefined;
  const port = endpoint.ports.get(servicePort) || servicePortTarget || (isTunnelled ? servicePort : 0);
  return port === 0 ? undefined : { workload, endpoint, port };
}

/** Workloads without an address can be reached in another network only, through its gateway. */
function isReachable(workload: Workload, source: Workload): boolean {
  if (workload.addresses.length > 0 || workload.hostname !== "") return true;
  return workload.network !== source.network && workload.networkGateway !== undefined;
}

/** How near an endpoint is, higher is better; -1 if it must not be used. */
function rankOf(balancer: LoadBalancer | undefined, source: Workload, workload: Workload): number {
  if (!balancer) return 0;
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
