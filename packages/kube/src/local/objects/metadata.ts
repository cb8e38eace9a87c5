// SPDX-License-Identifier: Apache-2.0
import { isJsonObject, jsonText, type Json } from "../../json/json.ts";
import { labelKeyProblem, labelValueProblem, subdomainProblem } from "../../selectors/label-syntax.ts";
import type { KindDefinition } from "../kinds/kind.ts";
import { fieldIssue, type FieldIssue, type FieldPath } from "../schema/field-issue.ts";
import { asJson, type ApiObject } from "./api-object.ts";

// Kubernetes' own bound on all annotations of an object together.
const MAX_ANNOTATION_BYTES = 256 * 1024;

/** Checks metadata by the rules that all kinds share: the name's form, labels, annotations, finalizers. */
export function metadataIssues(kind: KindDefinition, object: ApiObject): readonly FieldIssue[] {
  const { name, labels, annotations, finalizers } = object.metadata;
  const nameProblem = (kind.strategy?.nameProblem ?? subdomainProblem)(name);
  return [
    ...(nameProblem === undefined
      ? []
      : [fieldIssue(["metadata", "name"], "FieldValueInvalid", `"${name}" ${nameProblem}`)]),
    ...labelIssues(asJson(labels ?? {}), ["metadata", "labels"]),
    ...annotationIssues(asJson(annotations ?? {})),
    ...finalizerIssues(finalizers ?? []),
    ...templateLabelIssues(object),
  ];
}

function labelIssues(labels: Json | undefined, path: FieldPath): readonly FieldIssue[] {
  if (!isJsonObject(labels)) return [];
  const issues: FieldIssue[] = [];
  for (const [key, value] of Object.entries(labels)) {
    const keyProblem = labelKeyProblem(key);
    const valueProblem = labelValueProblem(jsonText(value));
    if (keyProblem !== undefined) issues.push(fieldIssue(path, "FieldValueInvalid", `the key "${key}" ${keyProblem}`));
    if (valueProblem !== undefined) {
      issues.push(fieldIssue([...path, key], "FieldValueInvalid", `"${jsonText(value)}" ${valueProblem}`));
    }
  }
  return issues;
}

function templateLabelIssues(object: ApiObject): readonly FieldIssue[] {
  const path = ["spec", "template", "metadata", "labels"];
  const template = path.reduce<Json | undefined>(
    (value, key) => (isJsonObject(value) ? value[key] : undefined),
    asJson(object),
  );
  return labelIssues(template, path);
}

function annotationIssues(annotations: Readonly<Record<string, Json | undefined>>): readonly FieldIssue[] {
  const path = ["metadata", "annotations"];
  let bytes = 0;
  const issues = Object.entries(annotations).flatMap(([key, value]) => {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(jsonText(value));
    const problem = labelKeyProblem(key.toLowerCase());
    return problem === undefined ? [] : [fieldIssue(path, "FieldValueInvalid", `the key "${key}" ${problem}`)];
  });
  if (bytes > MAX_ANNOTATION_BYTES) {
    issues.push(fieldIssue(path, "FieldValueTooLong", `may not be more than ${MAX_ANNOTATION_BYTES} bytes`));
  }
  return issues;
}

function finalizerIssues(finalizers: readonly string[]): readonly FieldIssue[] {
  return finalizers.flatMap((finalizer, index) => {
    const problem = labelKeyProblem(finalizer);
    const path = ["metadata", "finalizers", index];
    return problem === undefined ? [] : [fieldIssue(path, "FieldValueInvalid", `"${finalizer}" ${problem}`)];
  });
}
