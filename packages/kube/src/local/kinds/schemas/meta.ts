// SPDX-License-Identifier: Apache-2.0
import type { Schema } from "../../schema/schema.ts";
import {
  anyFields,
  atomicObject,
  bool,
  int64,
  keyedList,
  listOf,
  mapOf,
  object,
  oneOf,
  setOf,
  text,
  time,
} from "./build.ts";

const ownerReference = atomicObject(
  { apiVersion: text, kind: text, name: text, uid: text, controller: bool, blockOwnerDeletion: bool },
  ["apiVersion", "kind", "name", "uid"],
);

/** meta/v1 ObjectMeta. */
export const objectMeta: Schema = object({
  name: text,
  generateName: text,
  namespace: text,
  selfLink: text,
  uid: text,
  resourceVersion: text,
  generation: int64,
  creationTimestamp: { ...time, nullable: true },
  deletionTimestamp: time,
  deletionGracePeriodSeconds: int64,
  labels: mapOf(text),
  annotations: mapOf(text),
  ownerReferences: keyedList(ownerReference, "uid"),
  finalizers: setOf(text),
  managedFields: listOf(anyFields),
});

/** meta/v1 LabelSelector. */
export const labelSelector: Schema = atomicObject({
  matchLabels: mapOf(text),
  matchExpressions: listOf(
    object({ key: text, operator: oneOf("In", "NotIn", "Exists", "DoesNotExist"), values: listOf(text) }, [
      "key",
      "operator",
    ]),
  ),
});

/** meta/v1 Condition, as in statuses. */
export const conditions: Schema = keyedList(
  object(
    {
      type: text,
      status: oneOf("True", "False", "Unknown"),
      reason: text,
      message: text,
      observedGeneration: int64,
      lastTransitionTime: { ...time, nullable: true },
      lastProbeTime: { ...time, nullable: true },
      lastUpdateTime: time,
      lastHeartbeatTime: time,
    },
    ["type", "status"],
  ),
  "type",
);

/** v1 ObjectReference. */
export const objectReference: Schema = atomicObject({
  apiVersion: text,
  kind: text,
  namespace: text,
  name: text,
  uid: text,
  resourceVersion: text,
  fieldPath: text,
});

/** v1 LocalObjectReference. */
export const localReference: Schema = atomicObject({ name: text });

/** A whole object: its own fields beside apiVersion, kind and metadata. */
export function kindSchema(
  description: string,
  fields: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
): Schema {
  return { ...object({ apiVersion: text, kind: text, metadata: objectMeta, ...fields }, required), description };
}
