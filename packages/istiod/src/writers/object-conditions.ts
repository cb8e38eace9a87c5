// SPDX-License-Identifier: Apache-2.0
import type { Condition, KubernetesObject } from "@ambientmesh/api/kubernetes";
import type { ModelCondition } from "../model/waypoint-condition.ts";

/** An object whose status has conditions. */
export interface ConditionedObject extends KubernetesObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** A condition is read by people; a policy of a thousand bad rules must not make an object of a megabyte. */
const MAX_MESSAGE = 4096;

/**
 * Our conditions as they should be on the object; none where nothing is to be said.
 * @param types of conditions that are ours; those of others are left alone
 * @returns undefined if they are so already.
 */
export function desiredConditions(
  object: ConditionedObject,
  wanted: readonly ModelCondition[],
  types: ReadonlySet<string>,
  now: Date,
): readonly Condition[] | undefined {
  const present = (object.status?.conditions ?? []).filter(({ type }) => types.has(type));
  const desired = wanted.map((condition) => desiredCondition(object, condition, now));
  const isWritten =
    present.length === desired.length &&
    desired.every((condition) => present.some((other) => other.type === condition.type && isSame(other, condition)));
  return isWritten ? undefined : desired;
}

function desiredCondition({ metadata, status }: ConditionedObject, wanted: ModelCondition, now: Date): Condition {
  const present = status?.conditions?.find(({ type }) => type === wanted.type);
  const hasTurned = present?.status !== wanted.status || present.lastTransitionTime === undefined;
  return {
    ...wanted,
    message: wanted.message.slice(0, MAX_MESSAGE),
    ...(metadata.generation !== undefined && { observedGeneration: metadata.generation }),
    lastTransitionTime: hasTurned ? now.toISOString().replace(/\.\d+Z$/, "Z") : present.lastTransitionTime,
  };
}

function isSame(a: Condition, b: Condition): boolean {
  return (
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration
  );
}
