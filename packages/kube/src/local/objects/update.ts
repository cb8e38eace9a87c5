// SPDX-License-Identifier: Apache-2.0
import { objectKey } from "../../resource.ts";
import { isJsonObject, jsonText, type Json } from "../../json/json.ts";
import { applyConfiguration } from "../apply/field-manager.ts";
import { decodeManagers } from "../apply/managed-fields.ts";
import { applyJsonPatch } from "../patch/json-patch.ts";
import { applyMergePatch } from "../patch/merge-patch.ts";
import { applyStrategicMergePatch } from "../patch/strategic-merge.ts";
import { asJson, asObject, type ApiObject } from "./api-object.ts";
import { insertObject } from "./create.ts";
import { decodeObject, shapeObject } from "./decode.ts";
import { finishUpdate } from "./finish-update.ts";
import { managedWrite } from "./ownership.ts";
import { badRequest, conflict, invalid, notFound } from "./refusals.ts";
import { inScopeVersion, scopeKindId, type ObjectDeps, type Scope, type WriteOptions } from "./scope.ts";

/** The object of a scope as stored. @throws MeshError KUBE_NOT_FOUND. */
export function requireObject(deps: ObjectDeps, scope: Scope, name: string): ApiObject {
  const object = findObject(deps, scope, name);
  if (object === undefined) throw notFound(scope, name);
  return object;
}

function findObject(deps: ObjectDeps, scope: Scope, name: string): ApiObject | undefined {
  return deps.store.table(scopeKindId(scope)).get(objectKey({ name, namespace: scope.namespace }));
}

/**
 * Replaces an object (PUT).
 * @throws MeshError KUBE_CONFLICT when it has changed since it was read, KUBE_INVALID, KUBE_NOT_FOUND.
 */
export function replaceObject(
  deps: ObjectDeps,
  scope: Scope,
  { name, body }: { readonly name: string; readonly body: Json },
  options: WriteOptions,
): ApiObject {
  const before = requireObject(deps, scope, name);
  const wanted = decodeObject(scope, body, options);
  requireSameObject(scope, before, wanted);
  if (scope.kind.definition.hasStrategicMerge !== true && asJson(wanted.metadata)["resourceVersion"] === undefined) {
    const message = "must be specified for an update";
    throw invalid(scope, name, [{ path: ["metadata", "resourceVersion"], reason: "FieldValueInvalid", message }]);
  }
  return finishUpdate(deps, scope, { before, wanted, options });
}

/** A patch with its media type's short name. */
export interface Patch {
  readonly type: "json" | "merge" | "strategic";
  readonly body: Json;
}

/**
 * Patches an object.
 * @throws MeshError as {@link replaceObject}, and what the patch itself gives.
 */
export function patchObject(
  deps: ObjectDeps,
  scope: Scope,
  { name, patch }: { readonly name: string; readonly patch: Patch },
  options: WriteOptions,
): ApiObject {
  const before = requireObject(deps, scope, name);
  const patched = applyPatch(scope, asJson(inScopeVersion(scope, before)), patch);
  const wanted = decodeObject(scope, patched, options);
  requireSameObject(scope, before, wanted);
  return finishUpdate(deps, scope, { before, wanted, options });
}

function applyPatch(scope: Scope, target: Json, { type, body }: Patch): Json {
  switch (type) {
    case "json":
      return applyJsonPatch(target, body);
    case "merge":
      if (!isJsonObject(body)) throw badRequest("a merge patch must be an object");
      return applyMergePatch(target, body);
    case "strategic":
      return applyStrategicMergePatch(scope.kind.version.schema, target, body);
  }
}

/**
 * Server-side apply. Creates the object if it does not exist.
 * @throws MeshError KUBE_CONFLICT with a cause per field when somebody else owns a field of another value and `isForced` is not set.
 */
export function applyObject(
  deps: ObjectDeps,
  scope: Scope,
  request: { readonly name: string; readonly body: Json; readonly isForced: boolean },
  options: WriteOptions,
): { readonly object: ApiObject; readonly isCreated: boolean } {
  const before = findObject(deps, scope, request.name);
  const configuration = decodeConfiguration(scope, request, options);
  const apiVersion = configuration.apiVersion;
  const managers = decodeManagers(before?.metadata.managedFields);
  const write = managedWrite(deps, scope, managers, { manager: options.fieldManager, operation: "Apply", apiVersion });
  if (before === undefined) {
    if (scope.subresource !== undefined) throw notFound(scope, request.name);
    const empty = asJson({ apiVersion, kind: configuration.kind, metadata: { name: request.name } });
    const applied = applyConfiguration(write, empty, asJson(configuration), request);
    const wanted = decodeObject(scope, asJson(inScopeVersion(scope, asObject(applied.merged))), options);
    return { object: insertObject(deps, scope, { wanted, options, managers: applied.managers }), isCreated: true };
  }
  requireSameObject(scope, before, configuration);
  const applied = applyConfiguration(write, asJson(before), asJson(configuration), request);
  const wanted = decodeObject(scope, asJson(inScopeVersion(scope, asObject(applied.merged))), options);
  return {
    object: finishUpdate(deps, scope, { before, wanted, options, managers: applied.managers }),
    isCreated: false,
  };
}

function decodeConfiguration(
  scope: Scope,
  { name, body }: { readonly name: string; readonly body: Json },
  options: WriteOptions,
): ApiObject {
  if (!isJsonObject(body) || body["apiVersion"] === undefined || body["kind"] === undefined) {
    throw badRequest("an applied configuration must name its apiVersion and kind");
  }
  if (isJsonObject(body["metadata"]) && body["metadata"]["managedFields"] !== undefined) {
    throw badRequest("metadata.managedFields must be nil in an applied configuration");
  }
  const shaped = shapeObject(scope, body, { fieldValidation: options.fieldValidation, fillDefaults: false });
  const given = asJson(shaped.metadata)["name"] ?? name;
  if (given !== name) {
    throw badRequest(`the name of the object (${jsonText(given)}) does not match the name on the URL (${name})`);
  }
  return shaped;
}

/** @throws MeshError KUBE_BAD_REQUEST on another name, KUBE_CONFLICT on another resourceVersion or uid than stored. */
function requireSameObject(scope: Scope, before: ApiObject, wanted: ApiObject): void {
  const { name, uid, resourceVersion } = asJson(wanted.metadata);
  const { metadata } = before;
  if (name !== undefined && name !== metadata.name) {
    throw badRequest(
      `the name of the object (${jsonText(name)}) does not match the name on the URL (${metadata.name})`,
    );
  }
  if (uid !== undefined && uid !== "" && uid !== metadata.uid) {
    const reason = `Precondition failed: UID in precondition: ${jsonText(uid)}, UID in object meta: ${metadata.uid}`;
    throw conflict(scope, metadata.name, reason);
  }
  if (resourceVersion !== undefined && resourceVersion !== "" && resourceVersion !== metadata.resourceVersion) {
    const reason = "the object has been modified; please apply your changes to the latest version and try again";
    throw conflict(scope, metadata.name, reason);
  }
}
