// SPDX-License-Identifier: Apache-2.0
import type { ServiceEntry } from "@ambientmesh/api/istio";
import type { WaypointBinding } from "./waypoint-binding.ts";
import { isWildcard } from "./service-entry.ts";

/** What is said of an object in its status, without generation and time. */
export interface ModelCondition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

/** Tells whether an object has the waypoint that it asks for (Istio 1.31). */
export const WAYPOINT_BOUND = "istio.io/WaypointBound";
/** Tells why a ServiceEntry can't have one. */
export const WAYPOINT_MISSING = "istio.io/WaypointMissing";

/** @returns undefined where no waypoint is asked for: then the condition does not belong there. */
export function waypointCondition(binding: WaypointBinding | undefined): ModelCondition | undefined {
  if (binding === undefined || binding.kind === "none") return undefined;
  if (binding.kind === "refused") {
    const message = `${binding.message}; until then traffic is not led through a waypoint`;
    return { type: WAYPOINT_BOUND, status: "False", reason: binding.reason, message };
  }
  const { waypoint, canary, canaryProblem, isIngressBound } = binding;
  const parts = [
    `attached to waypoint ${waypoint.namespace}/${waypoint.name}`,
    ...(isIngressBound ? ["ingress gateways use it too"] : []),
    ...(canary ? [`canary ${canary.waypoint.namespace}/${canary.waypoint.name} gets ${canary.weight} %`] : []),
    ...(canaryProblem === undefined ? [] : [`the canary is not attached: ${canaryProblem}`]),
  ];
  return { type: WAYPOINT_BOUND, status: "True", reason: "WaypointAccepted", message: parts.join("; ") };
}

/** The conditions of a ServiceEntry: a wildcard without dynamic resolution has no address that leads to a waypoint. */
export function serviceEntryConditions(
  { spec }: ServiceEntry,
  binding: WaypointBinding | undefined,
): readonly ModelCondition[] {
  const condition = waypointCondition(binding);
  if (condition === undefined) return [];
  const wildcards = spec.resolution === "DYNAMIC_DNS" ? [] : spec.hosts.filter(isWildcard);
  if (wildcards.length === 0) return [condition];
  const missing: ModelCondition = {
    type: WAYPOINT_MISSING,
    status: "True",
    reason: "NoWaypointForWildcardService",
    message: `${wildcards.join(", ")}: a wildcard host needs resolution DYNAMIC_DNS to have a waypoint`,
  };
  return wildcards.length === spec.hosts.length ? [missing] : [condition, missing];
}
