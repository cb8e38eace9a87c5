// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { jsonAt, jsonText, withFields, type JsonObject } from "../../json/json.ts";
import { describeObject, objectKey } from "../../resource.ts";
import { asObject } from "../objects/api-object.ts";
import type { LocalObjects } from "../local-objects.ts";
import { causeOf, fieldIssue, type FieldIssue } from "../schema/field-issue.ts";
import type { FeedProblem } from "./feed-problem.ts";
import type { SourceObject } from "./yaml-file.ts";

/** An object of the folder that may be applied, with the way back to its place. */
export interface FedObject {
  /** Kind and key, unique in a folder. */
  readonly id: string;
  readonly object: KubernetesObject;
  /** Turns something wrong with the object into a problem of its file. */
  readonly problem: (issue: FieldIssue | string) => FeedProblem;
}

/** A checked object, or what is wrong with it. */
export type CheckedObject = { readonly fed: FedObject } | { readonly problems: readonly FeedProblem[] };

/** Checks one object of a file against the kinds that are served now. A namespace is filled in as kubectl does. */
export function checkObject(objects: LocalObjects, file: string, source: SourceObject): CheckedObject {
  const apiVersion = jsonAt(source.value, "apiVersion");
  const kind = jsonAt(source.value, "kind");
  const name = jsonAt(source.value, "metadata", "name");
  const problem = problemMaker(file, source);
  const missing = missingIdentity(source.value);
  if (missing !== undefined || typeof apiVersion !== "string" || typeof kind !== "string" || typeof name !== "string") {
    return { problems: [problem(missing ?? "no object")] };
  }
  const served = objects.kindOf({ apiVersion, kind });
  if (served === undefined) return { problems: [problem(unknownKind(objects, apiVersion, kind))] };
  const value = withNamespace(source.value, served.definition.isNamespaced);
  const issues = objects.check(served, value);
  if (issues.length > 0) return { problems: issues.map(problem) };
  const object = asObject(value);
  const { group } = served.definition;
  return { fed: { id: `${kind}.${group} ${objectKey(object.metadata)}`, object, problem } };
}

function problemMaker(file: string, source: SourceObject): FedObject["problem"] {
  const { value } = source;
  const name = jsonText(jsonAt(value, "metadata", "name"));
  const namespace = jsonText(jsonAt(value, "metadata", "namespace"));
  const object =
    name === "" ? undefined : describeObject(jsonText(jsonAt(value, "kind"), "object"), { name, namespace });
  return (issue) => {
    const isText = typeof issue === "string";
    const { field, message } = isText ? { field: "", message: issue } : causeOf(issue);
    return {
      file,
      ...source.positionOf(isText ? [] : issue.path),
      ...(field !== "" && { field }),
      ...(object !== undefined && { object }),
      message,
    };
  };
}

function missingIdentity(value: JsonObject): FieldIssue | undefined {
  for (const path of [["apiVersion"], ["kind"], ["metadata", "name"]]) {
    const text = jsonAt(value, ...path);
    if (text === undefined || text === null || text === "")
      return fieldIssue(path, "FieldValueRequired", "the field is missing");
    if (typeof text !== "string") return fieldIssue(path, "FieldValueTypeInvalid", "must be string");
  }
  return undefined;
}

function unknownKind(objects: LocalObjects, apiVersion: string, kind: string): FieldIssue {
  const others = objects.apiVersionsOf(kind);
  if (others.length > 0) {
    return fieldIssue(
      ["apiVersion"],
      "FieldValueNotSupported",
      `"${apiVersion}": ${kind} is served as ${others.join(", ")}`,
    );
  }
  return fieldIssue(
    ["kind"],
    "FieldValueNotSupported",
    `"${kind}": there is no such kind in ${apiVersion}; install its CustomResourceDefinition first`,
  );
}

function withNamespace(value: JsonObject, isNamespaced: boolean): JsonObject {
  const metadata = value["metadata"] as JsonObject;
  if (!isNamespaced) return value;
  const namespace = jsonText(metadata["namespace"]) === "" ? "default" : metadata["namespace"];
  return withFields(value, { metadata: withFields(metadata, { namespace }) });
}
