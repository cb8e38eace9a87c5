// SPDX-License-Identifier: Apache-2.0
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../json/json.ts";
import { fieldIssue, type FieldIssue, type FieldPath } from "./field-issue.ts";
import { patternOf, validateValue } from "./validate.ts";
import type { Schema } from "./schema.ts";

const TYPES = ["object", "array", "string", "integer", "number", "boolean"];
const MAX_ISSUES = 20;

const count: Schema = { type: "integer", minimum: 0 };
const truth: Schema = { type: "boolean" };

/** Keywords whose values the validator relies on, with what they may be. */
const KEYWORDS: Schema = {
  type: "object",
  properties: {
    type: { type: "string", enum: TYPES },
    nullable: truth,
    enum: { type: "array", minItems: 1 },
    format: { type: "string" },
    pattern: { type: "string" },
    minLength: count,
    maxLength: count,
    minItems: count,
    maxItems: count,
    minProperties: count,
    maxProperties: count,
    minimum: { type: "number" },
    maximum: { type: "number" },
    multipleOf: { type: "number", minimum: 0, exclusiveMinimum: true },
    exclusiveMinimum: truth,
    exclusiveMaximum: truth,
    uniqueItems: truth,
    required: { type: "array", items: { type: "string" } },
    "x-kubernetes-preserve-unknown-fields": truth,
    "x-kubernetes-int-or-string": truth,
    "x-kubernetes-embedded-resource": truth,
    "x-kubernetes-list-type": { type: "string", enum: ["atomic", "set", "map"] },
    "x-kubernetes-list-map-keys": { type: "array", items: { type: "string" }, minItems: 1 },
    "x-kubernetes-map-type": { type: "string", enum: ["granular", "atomic"] },
  },
};

/**
 * Says what keeps a CRD's schema from being structural, that is, usable: an untyped field, a keyword with a value it
 * can't have, a pattern that is no regular expression, a keyed list without keys. At most 20 issues.
 */
export function structuralIssues(schema: Json, path: FieldPath): readonly FieldIssue[] {
  const issues: FieldIssue[] = [];
  if (isJsonObject(schema) && schema["type"] !== "object") {
    issues.push(
      fieldIssue([...path, "type"], "FieldValueInvalid", 'the schema of a whole object must have type "object"'),
    );
  }
  visit(schema, path, { issues, needsType: true });
  return issues.slice(0, MAX_ISSUES);
}

interface Visit {
  readonly issues: FieldIssue[];
  /** False inside allOf, anyOf, oneOf and not, which only add conditions. */
  readonly needsType: boolean;
}

function visit(schema: Json | undefined, path: FieldPath, context: Visit): void {
  if (context.issues.length >= MAX_ISSUES || schema === undefined) return;
  if (!isJsonObject(schema)) {
    context.issues.push(fieldIssue(path, "FieldValueTypeInvalid", "a schema must be an object"));
    return;
  }
  const keywordIssues = validateValue(KEYWORDS, schema, path);
  context.issues.push(...keywordIssues);
  if (keywordIssues.length > 0) return;
  if (context.needsType) checkType(schema, path, context.issues);
  checkPattern(schema, path, context.issues);
  visitParts(schema, path, context);
}

function visitParts(schema: JsonObject, path: FieldPath, context: Visit): void {
  const { properties, additionalProperties, items } = schema as Readonly<Record<string, Json | undefined>>;
  if (isJsonObject(properties)) {
    for (const [key, property] of Object.entries(properties)) visit(property, [...path, "properties", key], context);
  } else if (properties !== undefined) {
    context.issues.push(fieldIssue([...path, "properties"], "FieldValueTypeInvalid", "must be an object"));
  }
  if (typeof additionalProperties !== "boolean")
    visit(additionalProperties, [...path, "additionalProperties"], context);
  visit(items, [...path, "items"], context);
  const conditions = { ...context, needsType: false };
  for (const keyword of ["allOf", "anyOf", "oneOf"]) {
    const parts = schema[keyword];
    if (isJsonArray(parts))
      for (const [index, part] of parts.entries()) visit(part, [...path, keyword, index], conditions);
    else if (parts !== undefined)
      context.issues.push(fieldIssue([...path, keyword], "FieldValueTypeInvalid", "must be a list"));
  }
  visit(schema["not"], [...path, "not"], conditions);
}

function checkType(schema: JsonObject, path: FieldPath, issues: FieldIssue[]): void {
  const isFree =
    schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (schema["type"] === undefined && !isFree) {
    issues.push(fieldIssue([...path, "type"], "FieldValueRequired", "each field of a schema needs a type"));
  }
  if (schema["type"] === "array" && schema["items"] === undefined) {
    issues.push(fieldIssue([...path, "items"], "FieldValueRequired", "a list needs the schema of its items"));
  }
  if (schema["x-kubernetes-list-type"] === "map" && schema["x-kubernetes-list-map-keys"] === undefined) {
    const keysPath = [...path, "x-kubernetes-list-map-keys"];
    issues.push(fieldIssue(keysPath, "FieldValueRequired", "a list of type map needs the names of its key fields"));
  }
}

function checkPattern(schema: JsonObject, path: FieldPath, issues: FieldIssue[]): void {
  if (typeof schema["pattern"] !== "string") return;
  try {
    patternOf(schema);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    issues.push(fieldIssue([...path, "pattern"], "FieldValueInvalid", `is no regular expression here: ${reason}`));
  }
}
