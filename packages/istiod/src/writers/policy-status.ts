// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import type { Condition } from "@ambientmesh/api/kubernetes";
import type { AcceptedCondition } from "@ambientmesh/authz";

/** Owner of our condition in server-side apply (Istio 1.31). */
export const POLICY_FIELD_MANAGER = "istio-ambient-ztunnel-policy";

const TYPE: AcceptedCondition["type"] = "ZtunnelAccepted";
/** A condition is read by people; a policy of a thousand bad rules must not make an object of a megabyte. */
const MAX_MESSAGE = 4096;

/**
 * Our conditions as they should be on the object: one, or none where the policy is not for node proxies.
 * @returns undefined if they are so already.
 */
export function desiredConditions(
  { metadata, status }: AuthorizationPolicy,
  accepted: AcceptedCondition | undefined,
  now: Date,
): readonly Condition[] | undefined {
  const present = status?.conditions?.find(({ type }) => type === TYPE);
  if (!accepted) return present ? [] : undefined;
  const desired: Condition = {
    ...accepted,
    message: accepted.message.slice(0, MAX_MESSAGE),
    ...(metadata.generation !== undefined && { observedGeneration: metadata.generation }),
  };
  if (present && isSame(present, desired)) return undefined;
  const hasTurned = present?.status !== desired.status || present.lastTransitionTime === undefined;
  const lastTransitionTime = hasTurned ? now.toISOString().replace(/\.\d+Z$/, "Z") : present.lastTransitionTime;
  return [{ ...desired, lastTransitionTime }];
}

function isSame(a: Condition, b: Condition): boolean {
  return (
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration
  );
}
