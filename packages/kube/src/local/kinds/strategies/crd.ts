// SPDX-License-Identifier: Apache-2.0
import type { CustomResourceDefinition } from "@ambientmesh/api/kubernetes";
import { isJsonObject, withFields } from "../../../json/json.ts";
import { asJson, withField, withMeta, type ApiObject } from "../../objects/api-object.ts";
import { fieldIssue, type FieldIssue } from "../../schema/field-issue.ts";
import { structuralIssues } from "../../schema/structural.ts";
import type { KindStrategy } from "../kind.ts";
import { unchanged } from "./immutable.ts";

/** Held by every definition until its objects are gone. */
export const CRD_CLEANUP_FINALIZER = "customresourcecleanup.apiextensions.k8s.io";

/** CustomResourceDefinitions: names that fit together, one stored version, a structural schema, conversion None. */
export const crdStrategy: KindStrategy = {
  prepare(object, before) {
    const spec = asJson(object)["spec"];
    const names = isJsonObject(spec) && isJsonObject(spec["names"]) ? spec["names"] : {};
    const kind = typeof names["kind"] === "string" ? names["kind"] : "";
    const complete = withFields(names, {
      singular: names["singular"] ?? kind.toLowerCase(),
      listKind: names["listKind"] ?? `${kind}List`,
    });
    const named = withField(object, "spec", withFields(isJsonObject(spec) ? spec : {}, { names: complete }));
    return before === undefined ? withMeta(named, { finalizers: withCleanup(object) }) : named;
  },
  validate(object, before) {
    const crd = object as unknown as CustomResourceDefinition;
    return [
      ...nameIssues(crd),
      ...versionIssues(crd),
      ...unchanged(object, before, ["spec", "group"]),
      ...unchanged(object, before, ["spec", "scope"]),
      ...unchanged(object, before, ["spec", "names", "plural"]),
      ...unchanged(object, before, ["spec", "names", "kind"]),
    ];
  },
};

function withCleanup(object: ApiObject): readonly string[] {
  const others = (object.metadata.finalizers ?? []).filter((finalizer) => finalizer !== CRD_CLEANUP_FINALIZER);
  return [...others, CRD_CLEANUP_FINALIZER];
}

function nameIssues({ metadata, spec }: CustomResourceDefinition): readonly FieldIssue[] {
  const issues: FieldIssue[] = [];
  const expected = `${spec.names.plural}.${spec.group}`;
  if (metadata.name !== expected) {
    issues.push(
      fieldIssue(["metadata", "name"], "FieldValueInvalid", `must be spec.names.plural.spec.group: "${expected}"`),
    );
  }
  if (!spec.group.includes(".")) {
    issues.push(fieldIssue(["spec", "group"], "FieldValueInvalid", "must be a domain of at least two parts"));
  }
  if (spec.conversion !== undefined && spec.conversion.strategy !== "None") {
    const message = "the local server has no conversion webhooks; use None";
    issues.push(fieldIssue(["spec", "conversion", "strategy"], "FieldValueNotSupported", message));
  }
  return issues;
}

function versionIssues({ spec }: CustomResourceDefinition): readonly FieldIssue[] {
  const path = ["spec", "versions"] as const;
  const issues: FieldIssue[] = [];
  if (spec.versions.filter((version) => version.storage).length !== 1) {
    issues.push(fieldIssue(path, "FieldValueInvalid", "exactly one version must have storage: true"));
  }
  if (new Set(spec.versions.map((version) => version.name)).size !== spec.versions.length) {
    issues.push(fieldIssue(path, "FieldValueDuplicate", "each version needs a name of its own"));
  }
  for (const [index, version] of spec.versions.entries()) {
    const schemaPath = [...path, index, "schema", "openAPIV3Schema"];
    const schema = version.schema?.openAPIV3Schema;
    if (schema === undefined) issues.push(fieldIssue(schemaPath, "FieldValueRequired", "the version needs a schema"));
    else issues.push(...structuralIssues(asJson(schema), schemaPath));
  }
  return issues;
}
