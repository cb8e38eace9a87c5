// SPDX-License-Identifier: Apache-2.0
import { randomInt, randomUUID } from "node:crypto";
import { objectKey } from "../../resource.ts";
import type { Json } from "../../json/json.ts";
import { encodeManagers, type Managers } from "../apply/managed-fields.ts";
import { admit } from "./admission.ts";
import { asJson, withField, withMeta, type ApiObject } from "./api-object.ts";
import { decodeObject } from "./decode.ts";
import { trackUpdate } from "./ownership.ts";
import { alreadyExists, badRequest, invalid } from "./refusals.ts";
import { scopeKindId, timestamp, type ObjectDeps, type Scope, type WriteOptions } from "./scope.ts";
import { requireNamespace, validateObject } from "./validate-object.ts";

// As Kubernetes: no vowels and nothing that reads like another letter.
const SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH = 5;
const MAX_GENERATED_BASE = 63 - SUFFIX_LENGTH;

/**
 * Creates an object.
 * @throws MeshError KUBE_ALREADY_EXISTS, KUBE_INVALID, KUBE_BAD_REQUEST, KUBE_FORBIDDEN (hooks, namespace ends), KUBE_NOT_FOUND (namespace).
 */
export function createObject(deps: ObjectDeps, scope: Scope, body: Json, options: WriteOptions): ApiObject {
  const decoded = decodeObject(scope, body, options);
  if (decoded.metadata.resourceVersion !== undefined && decoded.metadata.resourceVersion !== "") {
    throw badRequest("resourceVersion should not be set on objects to be created");
  }
  return insertObject(deps, scope, { wanted: decoded, options });
}

/** What is to be stored as new. */
export interface Insertion {
  readonly wanted: ApiObject;
  readonly options: WriteOptions;
  /** For apply, which has computed its own. */
  readonly managers?: Managers;
}

/** The common end of create and of an apply that creates. */
export function insertObject(deps: ObjectDeps, scope: Scope, { wanted, options, managers }: Insertion): ApiObject {
  const fresh = withFreshMetadata(deps, scope, wanted);
  const { name } = fresh.metadata;
  requireNamespace(deps, scope, name);
  const { definition } = scope.kind;
  // What the kind and the hooks add is nobody's, as in Kubernetes: so ownership comes first.
  const owned =
    managers === undefined
      ? trackUpdate(deps, scope, { after: fresh, options })
      : withMeta(fresh, { managedFields: encodeManagers(managers) });
  const prepared = definition.strategy?.prepare?.(owned) ?? owned;
  const object = admit(deps, scope, { operation: "CREATE", object: prepared, isDryRun: options.isDryRun }) ?? prepared;
  validateObject(scope, object);
  const kindId = scopeKindId(scope);
  if (deps.store.table(kindId).get(objectKey(object.metadata)) !== undefined) throw alreadyExists(scope, name);
  return options.isDryRun ? object : deps.store.put(kindId, object);
}

function withFreshMetadata(deps: ObjectDeps, scope: Scope, wanted: ApiObject): ApiObject {
  const { definition } = scope.kind;
  const object =
    definition.hasStatus === true && definition.keepsStatusOnCreate !== true
      ? withField(wanted, "status", undefined)
      : wanted;
  return withMeta(object, {
    name: nameOf(scope, object),
    uid: randomUUID(),
    creationTimestamp: timestamp(deps.clock.now()),
    generation: definition.hasGeneration === true ? 1 : undefined,
    resourceVersion: undefined,
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
  });
}

function nameOf(scope: Scope, object: ApiObject): string {
  // Absent in what a client sent, though the type of complete objects requires it.
  const { name, generateName } = asJson(object.metadata);
  if (typeof name === "string" && name !== "") return name;
  if (typeof generateName !== "string" || generateName === "") {
    throw invalid(scope, "", [
      { path: ["metadata", "name"], reason: "FieldValueRequired", message: "name or generateName is required" },
    ]);
  }
  const suffix = Array.from({ length: SUFFIX_LENGTH }, () => SUFFIX_LETTERS[randomInt(SUFFIX_LETTERS.length)]);
  return generateName.slice(0, MAX_GENERATED_BASE) + suffix.join("");
}
