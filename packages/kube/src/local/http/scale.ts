// SPDX-License-Identifier: Apache-2.0
import { isJsonObject, jsonAt, withFields, type Json, type JsonObject } from "../../json/json.ts";
import { labelRequirements } from "../../selectors/label-selector.ts";
import { formatLabelSelector } from "../../selectors/label-selector-text.ts";
import { asJson, asObject, type ApiObject } from "../objects/api-object.ts";
import { finishUpdate } from "../objects/finish-update.ts";
import { conflict, invalid } from "../objects/refusals.ts";
import type { ObjectDeps, Scope, WriteOptions } from "../objects/scope.ts";

/** autoscaling/v1 Scale of a Deployment or ReplicaSet. */
export function scaleOf(object: ApiObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const { selector = {} } = (object["spec"] ?? {}) as { selector?: Parameters<typeof labelRequirements>[0] };
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: jsonAt(asJson(object), "spec", "replicas") ?? 0 },
    status: {
      replicas: jsonAt(asJson(object), "status", "replicas") ?? 0,
      selector: formatLabelSelector(labelRequirements(selector)),
    },
  };
}

/**
 * Writes a Scale back into its object.
 * @throws MeshError KUBE_INVALID when replicas is no count, KUBE_CONFLICT on another resourceVersion.
 */
export function writeScale(
  deps: ObjectDeps,
  scope: Scope,
  { before, scale }: { readonly before: ApiObject; readonly scale: Json | undefined },
  options: WriteOptions,
): ApiObject {
  const { name, resourceVersion } = before.metadata;
  const replicas = jsonAt(scale, "spec", "replicas") ?? 0;
  if (typeof replicas !== "number" || !Number.isInteger(replicas) || replicas < 0) {
    const path = ["spec", "replicas"];
    throw invalid(scope, name, [{ path, reason: "FieldValueInvalid", message: "must be a whole number >= 0" }]);
  }
  const given = jsonAt(scale, "metadata", "resourceVersion");
  if (given !== undefined && given !== "" && given !== resourceVersion) {
    throw conflict(
      scope,
      name,
      "the object has been modified; please apply your changes to the latest version and try again",
    );
  }
  const spec = asJson(before)["spec"];
  const wanted = asObject({ ...asJson(before), spec: withFields(isJsonObject(spec) ? spec : {}, { replicas }) });
  return finishUpdate(deps, scope, { before, wanted, options });
}
