// SPDX-License-Identifier: Apache-2.0
import { isJsonArray, isJsonObject, jsonEqual, type Json, type JsonObject } from "../../json/json.ts";
import type { FieldIssue, FieldIssueReason, FieldPath } from "./field-issue.ts";
import { isNumberOfFormat, isTextOfFormat } from "./formats.ts";
import { listMerge, propertySchema, type Schema } from "./schema.ts";

// Enough for a person to work with; more only costs memory.
const MAX_ISSUES = 50;

/**
 * Checks a value against a structural schema: types, required fields, enums, patterns, formats, bounds, and the
 * uniqueness of list keys. CEL rules are not evaluated. At most 50 issues are reported.
 */
export function validateValue(schema: Schema, value: Json, path: FieldPath = []): readonly FieldIssue[] {
  const validation = new Validation();
  validation.check(schema, value, path);
  return validation.issues;
}

/** The JSON type of a value, as messages call it. */
function jsonTypeOf(value: Json | undefined): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

class Validation {
  readonly issues: FieldIssue[] = [];

  check(schema: Schema, value: Json, path: FieldPath): void {
    if (this.issues.length >= MAX_ISSUES) return;
    if (value === null) {
      if (schema.nullable !== true) this.#typeIssue(schema, value, path);
      return;
    }
    if (!isOfType(schema, value)) {
      this.#typeIssue(schema, value, path);
      return;
    }
    this.#checkEnum(schema, value, path);
    if (typeof value === "string") this.#checkText(schema, value, path);
    else if (typeof value === "number") this.#checkNumber(schema, value, path);
    else if (isJsonArray(value)) this.#checkList(schema, value, path);
    else if (isJsonObject(value)) this.#checkObject(schema, value, path);
    this.#checkCombinations(schema, value, path);
  }

  #add(path: FieldPath, reason: FieldIssueReason, message: string): void {
    if (this.issues.length < MAX_ISSUES) this.issues.push({ path, reason, message });
  }

  #typeIssue(schema: Schema, value: Json, path: FieldPath): void {
    const expected = schema["x-kubernetes-int-or-string"] === true ? "integer or string" : (schema.type ?? "a value");
    this.#add(path, "FieldValueTypeInvalid", `must be ${expected}, not ${jsonTypeOf(value)}`);
  }

  #checkEnum(schema: Schema, value: Json, path: FieldPath): void {
    if (schema.enum === undefined || schema.enum.some((allowed) => jsonEqual(allowed, value))) return;
    const allowed = schema.enum.map((item) => JSON.stringify(item)).join(", ");
    this.#add(path, "FieldValueNotSupported", `${JSON.stringify(value)}: must be one of ${allowed}`);
  }

  #checkText(schema: Schema, value: string, path: FieldPath): void {
    const { minLength, maxLength, pattern, format } = schema;
    // Code points, as in Go's utf8.RuneCountInString.
    const length = minLength === undefined && maxLength === undefined ? 0 : Array.from(value).length;
    if (minLength !== undefined && length < minLength) {
      this.#add(path, "FieldValueInvalid", `${quote(value)}: must be at least ${minLength} characters long`);
    }
    if (maxLength !== undefined && length > maxLength) {
      this.#add(path, "FieldValueTooLong", `may not be more than ${maxLength} characters`);
    }
    if (pattern !== undefined && !patternOf(schema).test(value)) {
      this.#add(path, "FieldValueInvalid", `${quote(value)}: must match ${pattern}`);
    }
    if (format !== undefined && !isTextOfFormat(value, format)) {
      this.#add(path, "FieldValueInvalid", `${quote(value)}: must be of format ${format}`);
    }
  }

  #checkNumber(schema: Schema, value: number, path: FieldPath): void {
    const { minimum, maximum, multipleOf, format } = schema;
    if (minimum !== undefined && (schema.exclusiveMinimum === true ? value <= minimum : value < minimum)) {
      const bound = schema.exclusiveMinimum === true ? "greater than" : "greater than or equal to";
      this.#add(path, "FieldValueInvalid", `${value}: must be ${bound} ${minimum}`);
    }
    if (maximum !== undefined && (schema.exclusiveMaximum === true ? value >= maximum : value > maximum)) {
      const bound = schema.exclusiveMaximum === true ? "less than" : "less than or equal to";
      this.#add(path, "FieldValueInvalid", `${value}: must be ${bound} ${maximum}`);
    }
    if (multipleOf !== undefined && value % multipleOf !== 0) {
      this.#add(path, "FieldValueInvalid", `${value}: must be a multiple of ${multipleOf}`);
    }
    if (format !== undefined && !isNumberOfFormat(value, format)) {
      this.#add(path, "FieldValueInvalid", `${value}: does not fit ${format}`);
    }
  }

  #checkList(schema: Schema, list: readonly Json[], path: FieldPath): void {
    const { items, minItems, maxItems } = schema;
    if (minItems !== undefined && list.length < minItems) {
      this.#add(path, "FieldValueInvalid", `must have at least ${minItems} items`);
    }
    if (maxItems !== undefined && list.length > maxItems) {
      this.#add(path, "FieldValueTooMany", `${list.length}: must have at most ${maxItems} items`);
      return;
    }
    if (items !== undefined) for (const [index, item] of list.entries()) this.check(items, item, [...path, index]);
    this.#checkUnique(schema, list, path);
  }

  #checkUnique(schema: Schema, list: readonly Json[], path: FieldPath): void {
    const merge = listMerge(schema);
    if (merge.kind === "atomic" && schema.uniqueItems !== true) return;
    const seen = new Set<string>();
    for (const [index, item] of list.entries()) {
      const identity = JSON.stringify(merge.kind === "map" ? listItemKey(schema, item, merge.keys) : item);
      if (seen.has(identity)) this.#add([...path, index], "FieldValueDuplicate", identity);
      seen.add(identity);
    }
  }

  #checkObject(schema: Schema, object: JsonObject, path: FieldPath): void {
    for (const key of schema.required ?? []) {
      if (!Object.hasOwn(object, key)) this.#add([...path, key], "FieldValueRequired", "the field is missing");
    }
    const count = Object.keys(object).length;
    if (schema.minProperties !== undefined && count < schema.minProperties) {
      this.#add(path, "FieldValueInvalid", `must have at least ${schema.minProperties} fields`);
    }
    if (schema.maxProperties !== undefined && count > schema.maxProperties) {
      this.#add(path, "FieldValueTooMany", `${count}: must have at most ${schema.maxProperties} fields`);
    }
    for (const [key, value] of Object.entries(object)) {
      const property = propertySchema(schema, key);
      if (property !== undefined && value !== undefined) this.check(property, value, [...path, key]);
    }
  }

  #checkCombinations(schema: Schema, value: Json, path: FieldPath): void {
    for (const part of schema.allOf ?? []) this.check(part, value, path);
    if (schema.anyOf && !schema.anyOf.some((part) => isValid(part, value))) {
      this.#add(path, "FieldValueInvalid", "must match at least one of the schema's alternatives (anyOf)");
    }
    if (schema.oneOf && schema.oneOf.filter((part) => isValid(part, value)).length !== 1) {
      this.#add(path, "FieldValueInvalid", "must match exactly one of the schema's alternatives (oneOf)");
    }
    if (schema.not && isValid(schema.not, value)) {
      this.#add(path, "FieldValueInvalid", "matches what the schema excludes (not)");
    }
  }
}

function isValid(schema: Schema, value: Json): boolean {
  return validateValue(schema, value).length === 0;
}

function isOfType(schema: Schema, value: Json): boolean {
  if (schema["x-kubernetes-int-or-string"] === true) return typeof value === "string" || Number.isInteger(value);
  switch (schema.type) {
    case undefined:
      return true;
    case "object":
      return isJsonObject(value);
    case "array":
      return isJsonArray(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === schema.type;
  }
}

/** The values of an item's key fields, with the schema's defaults for absent ones. */
export function listItemKey(listSchema: Schema | undefined, item: Json, keys: readonly string[]): JsonObject {
  const fields = isJsonObject(item) ? item : {};
  return Object.fromEntries(
    keys.map((key) => [key, fields[key] ?? propertySchema(listSchema?.items, key)?.default ?? null]),
  );
}

const patterns = new WeakMap<Schema, RegExp>();

/**
 * The schema's pattern as a regular expression, compiled once. Patterns are in RE2's syntax, most of which JavaScript shares.
 * @throws SyntaxError when JavaScript does not understand it.
 */
export function patternOf(schema: Schema): RegExp {
  let compiled = patterns.get(schema);
  if (compiled === undefined) {
    compiled = compilePattern(schema.pattern ?? "");
    patterns.set(schema, compiled);
  }
  return compiled;
}

function compilePattern(pattern: string): RegExp {
  try {
    return new RegExp(pattern, "u");
  } catch {
    // RE2 allows needless escapes that only the mode without "u" accepts.
    return new RegExp(pattern);
  }
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
