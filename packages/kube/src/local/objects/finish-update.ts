// SPDX-License-Identifier: Apache-2.0
import { jsonEqual, withFields, type JsonObject } from "../../json/json.ts";
import { encodeManagers, type Managers } from "../apply/managed-fields.ts";
import type { KindDefinition } from "../kinds/kind.ts";
import { admit } from "./admission.ts";
import { asJson, asObject, withField, withMeta, type ApiObject } from "./api-object.ts";
import { trackUpdate } from "./ownership.ts";
import { invalid } from "./refusals.ts";
import { scopeKindId, type ObjectDeps, type Scope, type WriteOptions } from "./scope.ts";
import { validateObject } from "./validate-object.ts";

/** Which write is finished, and how. */
export interface PendingUpdate {
  readonly before: ApiObject;
  /** What the client wants, decoded. */
  readonly wanted: ApiObject;
  readonly options: WriteOptions;
  /** For apply, which has computed its own; otherwise ownership follows from the difference. */
  readonly managers?: Managers;
}

/**
 * The common end of every update: what the client may not change is put back, the kind's and the hooks' rules apply,
 * ownership and generation are kept, and the result is stored if it differs.
 */
export function finishUpdate(deps: ObjectDeps, scope: Scope, update: PendingUpdate): ApiObject {
  const { before, options } = update;
  const { strategy } = scope.kind.definition;
  const merged = withServerFields(scope, update.wanted, before);
  // What the kind and the hooks add is nobody's, as in Kubernetes: so ownership comes first.
  const owned =
    update.managers === undefined
      ? trackUpdate(deps, scope, { before, after: merged, options })
      : withMeta(merged, { managedFields: encodeManagers(update.managers) });
  const prepared = scope.subresource === undefined ? (strategy?.prepare?.(owned, before) ?? owned) : owned;
  const request = { operation: "UPDATE", object: prepared, before, isDryRun: options.isDryRun } as const;
  const changed = admit(deps, scope, request) ?? prepared;
  if (jsonEqual(asJson(changed), asJson(before))) return before;
  const after = withGeneration(scope, changed, before);
  validateObject(scope, after, before);
  refuseNewFinalizers(scope, after, before);
  if (options.isDryRun) return after;
  return isFinished(scope.kind.definition, after)
    ? deps.store.remove(scopeKindId(scope), after)
    : deps.store.put(scopeKindId(scope), after);
}

/** True for an object that was to be deleted and that nothing holds any more. */
export function isFinished({ strategy }: KindDefinition, object: ApiObject): boolean {
  const { metadata } = object;
  return (
    strategy?.isHeld?.(object) !== true &&
    metadata.deletionTimestamp !== undefined &&
    (metadata.finalizers ?? []).length === 0 &&
    (metadata.deletionGracePeriodSeconds ?? 0) === 0
  );
}

const SERVER_METADATA = [
  "name",
  "namespace",
  "generateName",
  "uid",
  "resourceVersion",
  "generation",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
  "selfLink",
] as const;

function withServerFields(scope: Scope, wanted: ApiObject, before: ApiObject): ApiObject {
  const own = asJson(before.metadata);
  const fixed = Object.fromEntries(SERVER_METADATA.map((field) => [field, own[field]]));
  const metadata = withFields(asJson(wanted.metadata), fixed);
  const status = asJson(before)["status"];
  if (scope.subresource === undefined) {
    const object = asObject({ ...asJson(wanted), metadata });
    return scope.kind.definition.hasStatus === true ? withField(object, "status", status) : object;
  }
  const onlyStatus = withField(before, "status", asJson(wanted)["status"]);
  if (scope.kind.definition.statusWritesMetadata !== true) return onlyStatus;
  const { labels, annotations, finalizers } = wanted.metadata;
  return withMeta(onlyStatus, { labels, annotations, finalizers });
}

/** Everything but metadata and status counts as specification. */
function specificationOf(object: ApiObject): JsonObject {
  return withFields(asJson(object), { metadata: undefined, status: undefined });
}

function withGeneration(scope: Scope, after: ApiObject, before: ApiObject): ApiObject {
  if (scope.kind.definition.hasGeneration !== true || scope.subresource !== undefined) return after;
  if (jsonEqual(specificationOf(after), specificationOf(before))) return after;
  return withMeta(after, { generation: (before.metadata.generation ?? 0) + 1 });
}

function refuseNewFinalizers(scope: Scope, after: ApiObject, before: ApiObject): void {
  if (before.metadata.deletionTimestamp === undefined) return;
  const known = before.metadata.finalizers ?? [];
  const added = (after.metadata.finalizers ?? []).filter((finalizer) => !known.includes(finalizer));
  if (added.length === 0) return;
  const message = `no finalizers can be added to an object that is being deleted: ${added.join(", ")}`;
  throw invalid(scope, after.metadata.name, [
    { path: ["metadata", "finalizers"], reason: "FieldValueForbidden", message },
  ]);
}
