// SPDX-License-Identifier: Apache-2.0
import { kubeErrors, type FieldCause } from "../../errors.ts";
import type { JsonObject } from "../../json/json.ts";
import type { Schema } from "../schema/schema.ts";
import { appliedFields, compareValues, isSame, type Difference } from "./compare.ts";
import {
  describeFieldSet,
  differenceOf,
  intersectionOf,
  isEmptySet,
  noFields,
  unionOf,
  withoutBranch,
  type FieldSet,
} from "./field-set.ts";
import { managerKey, type ManagerIdentity, type Managers, type Ownership } from "./managed-fields.ts";
import { mergeApplied, pruneFields } from "./merge.ts";

/** Fields that nobody manages, because the server does (Kubernetes, field manager's strip set). */
const UNMANAGED: readonly (readonly string[])[] = [
  ["f:apiVersion"],
  ["f:kind"],
  ...[
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
  ].map((field) => ["f:metadata", `f:${field}`]),
];

/** A write as the field manager sees it. */
export interface ManagedWrite {
  readonly schema: Schema;
  readonly identity: ManagerIdentity;
  /** Ownership before the write. */
  readonly managers: Managers;
  /** RFC 3339, for entries that change. */
  readonly time: string;
  /** Top-level fields and metadata fields that this endpoint does not write, as path elements. */
  readonly ignored: readonly (readonly string[])[];
}

/** Ownership after an update (create, replace, any patch but apply): who changes a field owns it. */
export function managersAfterUpdate(write: ManagedWrite, before: JsonObject, after: JsonObject): Managers {
  const difference = managedPart(write, compareValues(write.schema, before, after));
  if (isSame(difference)) return write.managers;
  const managers = new Map(withoutTaken(write.managers, difference, undefined));
  const key = managerKey(write.identity);
  const owned = managers.get(key)?.fields ?? noFields;
  const fields = unionOf(owned, unionOf(difference.added, difference.modified));
  managers.set(key, { identity: write.identity, fields, time: write.time });
  return managers;
}

/** An applied configuration merged into the live object, and who owns what then. */
export interface AppliedResult {
  readonly merged: JsonObject;
  readonly managers: Managers;
}

/**
 * Server-side apply: what the configuration names is set and owned, what its manager named before and no longer names
 * is removed unless somebody else owns it.
 *
 * @throws MeshError KUBE_CONFLICT when a field has another value and another owner, unless `isForced`.
 */
export function applyConfiguration(
  write: ManagedWrite,
  live: JsonObject,
  configuration: JsonObject,
  { isForced }: { readonly isForced: boolean },
): AppliedResult {
  const key = managerKey(write.identity);
  const last = write.managers.get(key);
  const fields = managedSet(write, appliedFields(write.schema, configuration));
  const current = new Map<string, Ownership>(write.managers);
  const isUnchangedSet =
    last !== undefined &&
    isEmptySet(differenceOf(fields, last.fields)) &&
    isEmptySet(differenceOf(last.fields, fields));
  current.set(key, { identity: write.identity, fields, time: isUnchangedSet ? last.time : write.time });

  const overlaid = mergeApplied(write.schema, live, configuration);
  const owned = [...current.values()].reduce((all, { fields }) => unionOf(all, fields), noFields);
  const gone = differenceOf(last?.fields ?? noFields, owned);
  const merged = (pruneFields(write.schema, overlaid, gone, owned) ?? {}) as JsonObject;

  const difference = managedPart(write, compareValues(write.schema, live, merged));
  const conflicts = conflictsWith(current, difference, key);
  if (conflicts.length > 0 && !isForced) throw conflictError(conflicts);
  return { merged, managers: withoutTaken(current, difference, key) };
}

interface FieldConflict {
  readonly owner: ManagerIdentity;
  readonly fields: FieldSet;
}

function conflictsWith(managers: Managers, { added, modified }: Difference, except: string): readonly FieldConflict[] {
  const changed = unionOf(added, modified);
  return [...managers].flatMap(([key, { identity, fields }]) => {
    const common = key === except ? noFields : intersectionOf(fields, changed);
    return isEmptySet(common) ? [] : [{ owner: identity, fields: common }];
  });
}

/** Others lose what was changed; everybody loses what was removed. */
function withoutTaken(managers: Managers, difference: Difference, except: string | undefined): Managers {
  const changed = unionOf(difference.added, difference.modified);
  const remaining = [...managers].map(([key, ownership]): [string, Ownership] => {
    const afterRemoval = differenceOf(ownership.fields, difference.removed);
    return [key, { ...ownership, fields: key === except ? afterRemoval : differenceOf(afterRemoval, changed) }];
  });
  return new Map(remaining.filter(([, { fields }]) => !isEmptySet(fields)));
}

function managedSet(write: ManagedWrite, fields: FieldSet): FieldSet {
  return [...UNMANAGED, ...write.ignored].reduce(withoutBranch, withoutMetadataItself(fields));
}

function withoutMetadataItself(fields: FieldSet): FieldSet {
  const metadata = fields.children.get("f:metadata");
  if (metadata === undefined || !metadata.isMember) return { ...fields, isMember: false };
  const children = new Map(fields.children).set("f:metadata", { ...metadata, isMember: false });
  return { isMember: false, children };
}

function managedPart(write: ManagedWrite, difference: Difference): Difference {
  return {
    added: managedSet(write, difference.added),
    modified: managedSet(write, difference.modified),
    removed: managedSet(write, difference.removed),
  };
}

function conflictError(conflicts: readonly FieldConflict[]): Error {
  const causes = conflicts.flatMap(({ owner, fields }): FieldCause[] =>
    describeFieldSet(fields).map((field) => ({
      reason: "FieldManagerConflict",
      field,
      message: `conflict with "${owner.manager}"${viaSubresource(owner)} using ${owner.apiVersion}`,
    })),
  );
  const list = causes.map((cause) => `${cause.message}: ${cause.field}`).join("; ");
  const count = `${causes.length} conflict${causes.length === 1 ? "" : "s"}`;
  return kubeErrors.create("KUBE_CONFLICT", `Apply failed with ${count}: ${list}`, { details: { causes } });
}

function viaSubresource({ subresource }: ManagerIdentity): string {
  return subresource === undefined ? "" : ` with subresource "${subresource}"`;
}
