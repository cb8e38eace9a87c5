// SPDX-License-Identifier: Apache-2.0
import type { ManagedFieldsEntry } from "@ambientmesh/api/kubernetes";
import { decodeFieldSet, encodeFieldSet, isEmptySet, unionOf, type FieldSet } from "./field-set.ts";

/** Who manages fields, and how. */
export interface ManagerIdentity {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource?: string | undefined;
}

/** What one manager owns. */
export interface Ownership {
  readonly identity: ManagerIdentity;
  readonly fields: FieldSet;
  /** RFC 3339, when it last changed. */
  readonly time: string | undefined;
}

/** Who owns which fields of an object; by {@link managerKey}. */
export type Managers = ReadonlyMap<string, Ownership>;

// Kubernetes' own bound: older entries of updates are merged into one.
const MAX_UPDATE_MANAGERS = 10;
const ANCIENT = "ancient-changes";

/** Tells managers apart. */
export function managerKey({ manager, operation, apiVersion, subresource }: ManagerIdentity): string {
  return JSON.stringify([manager, operation, apiVersion, subresource ?? ""]);
}

/** Reads metadata.managedFields; entries without a manager or fields are left out. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): Managers {
  const managers = new Map<string, Ownership>();
  for (const { manager, operation, apiVersion, subresource, time, fieldsV1 } of entries ?? []) {
    const fields = decodeFieldSet(fieldsV1);
    if (typeof manager !== "string" || isEmptySet(fields)) continue;
    const identity: ManagerIdentity = {
      manager,
      operation: operation === "Apply" ? "Apply" : "Update",
      apiVersion: apiVersion ?? "",
      ...(subresource !== undefined && subresource !== "" && { subresource }),
    };
    managers.set(managerKey(identity), { identity, fields, time });
  }
  return managers;
}

/** Writes metadata.managedFields: appliers first, then by time; undefined if nobody owns anything. */
export function encodeManagers(managers: Managers): readonly ManagedFieldsEntry[] | undefined {
  const owned = capped([...managers.values()].filter(({ fields }) => !isEmptySet(fields)));
  if (owned.length === 0) return undefined;
  return owned.sort(byOperationAndTime).map(encodeEntry);
}

function encodeEntry({ identity, fields, time }: Ownership): ManagedFieldsEntry {
  return {
    manager: identity.manager,
    operation: identity.operation,
    apiVersion: identity.apiVersion,
    ...(time !== undefined && { time }),
    fieldsType: "FieldsV1",
    fieldsV1: encodeFieldSet(fields),
    ...(identity.subresource !== undefined && { subresource: identity.subresource }),
  };
}

function byOperationAndTime(a: Ownership, b: Ownership): number {
  const rank = ({ identity, time }: Ownership): string =>
    `${identity.operation} ${time ?? ""} ${identity.manager} ${identity.subresource ?? ""}`;
  return rank(a) < rank(b) ? -1 : 1;
}

function capped(owned: readonly Ownership[]): Ownership[] {
  const updates = owned.filter(({ identity }) => identity.operation === "Update").sort(byOperationAndTime);
  const surplus = updates.slice(0, Math.max(0, updates.length - MAX_UPDATE_MANAGERS));
  const [oldest, ...others] = surplus;
  if (oldest === undefined || others.length === 0) return [...owned];
  const ancient: Ownership = {
    identity: { manager: ANCIENT, operation: "Update", apiVersion: oldest.identity.apiVersion },
    fields: others.reduce((fields, other) => unionOf(fields, other.fields), oldest.fields),
    time: oldest.time,
  };
  return [...owned.filter((item) => !surplus.includes(item)), ancient];
}
