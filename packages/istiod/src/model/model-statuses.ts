// SPDX-License-Identifier: Apache-2.0
import type { ServiceEntry } from "@ambientmesh/api/istio";
import type { MeshModel } from "./mesh-model.ts";
import { serviceEntryConditions, waypointCondition, type ModelCondition } from "./waypoint-condition.ts";

/** What belongs into the status of one object. */
export interface ObjectStatus {
  readonly kind: StatusKind;
  /** "namespace/name". */
  readonly key: string;
  readonly conditions: readonly ModelCondition[];
}

/** Kinds whose status tells what the mesh makes of them. */
export type StatusKind = "AuthorizationPolicy" | "Service" | "ServiceEntry" | "WorkloadEntry";

/** The conditions of one object, as the model has them now; none where nothing is to be said. */
export function conditionsOf(model: MeshModel, kind: StatusKind, key: string): readonly ModelCondition[] {
  const { policies, bindings, sources } = model;
  if (kind === "AuthorizationPolicy") return optional(policies.get(key)?.condition);
  if (kind === "Service") return optional(waypointCondition(bindings.services.get(key)));
  if (kind === "WorkloadEntry") return optional(waypointCondition(bindings.workloadEntries.get(key)));
  const entry: ServiceEntry | undefined = sources.serviceEntries.get(key);
  return entry ? serviceEntryConditions(entry, bindings.serviceEntries.get(key)) : [];
}

/** All objects of which something is to be said, by kind and key. */
export function modelStatuses(model: MeshModel): readonly ObjectStatus[] {
  const collections = [
    ["AuthorizationPolicy", model.policies],
    ["Service", model.bindings.services],
    ["ServiceEntry", model.bindings.serviceEntries],
    ["WorkloadEntry", model.bindings.workloadEntries],
  ] as const;
  return collections.flatMap(([kind, collection]) =>
    [...collection.entries()]
      .map(([key]) => ({ kind, key, conditions: conditionsOf(model, kind, key) }))
      .filter(({ conditions }) => conditions.length > 0)
      .sort((a, b) => (a.key < b.key ? -1 : 1)),
  );
}

function optional(condition: ModelCondition | undefined): readonly ModelCondition[] {
  return condition ? [condition] : [];
}
