// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { KEYS } from "@ambientmesh/api";
import type { ObjectMeta } from "@ambientmesh/api/kubernetes";
import { Action, AuthorizationSchema, Scope, type Authorization } from "@ambientmesh/api/security";
import type { WaypointBinding } from "./waypoint-binding.ts";
import type { Waypoint } from "./waypoint.ts";

/** No object of Kubernetes can have such a name. */
const PREFIX = "only_through_waypoint_";

/** True for a Service whose pods are to be reached through its waypoint and in no other way. */
export function isGuarded({ labels }: ObjectMeta): boolean {
  return labels?.[KEYS.ONLY_THROUGH_WAYPOINT] === "true";
}

/**
 * The policy that refuses everyone but the waypoint, at the pods of a Service. Clients choose whether they go through
 * a waypoint; this makes it sure. Without a waypoint that is ready everybody is refused.
 */
export function waypointGuard(
  { name, namespace = "" }: ObjectMeta,
  binding: WaypointBinding | undefined,
  trustDomain: string,
): Authorization {
  const waypoints =
    binding?.kind === "bound" ? [binding.waypoint, ...(binding.canary ? [binding.canary.waypoint] : [])] : [];
  const notPrincipals = waypoints.map((waypoint) => ({
    matchType: { case: "exact" as const, value: principalOf(waypoint, trustDomain) },
  }));
  return create(AuthorizationSchema, {
    namespace,
    name: PREFIX + name,
    scope: Scope.WORKLOAD_SELECTOR,
    action: Action.DENY,
    // A group without rules matches everything.
    groups: notPrincipals.length > 0 ? [{ rules: [{ matches: [{ notPrincipals }] }] }] : [{}],
  });
}

function principalOf({ namespace, serviceAccount }: Waypoint, trustDomain: string): string {
  return `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}
