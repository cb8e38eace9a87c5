// SPDX-License-Identifier: Apache-2.0
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../json/json.ts";
import type { FieldPath } from "./field-issue.ts";
import { propertySchema, type Schema } from "./schema.ts";

/** A value brought into the form of its schema. */
export interface Shaped {
  /** Unknown fields dropped, defaults filled in, nulls of absent fields removed. */
  readonly value: Json;
  /** Where fields were dropped because the schema does not know them. */
  readonly unknown: readonly FieldPath[];
}

/**
 * Brings a value into the form of its schema, as the API server does before it validates: fields that the schema does
 * not know are dropped (and reported), absent fields get their defaults, and a null means an absent field unless the
 * schema allows null. Values of a wrong type are left for validation to report.
 *
 * @param fillDefaults false where only what was given counts, as in applied configurations
 */
export function shapeValue(schema: Schema, value: Json, fillDefaults = true): Shaped {
  const unknown: FieldPath[] = [];
  return { value: shape(schema, value, [], { unknown, fillDefaults }), unknown };
}

interface Shaping {
  readonly unknown: FieldPath[];
  readonly fillDefaults: boolean;
}

function shape(schema: Schema, value: Json, path: FieldPath, shaping: Shaping): Json {
  if (isJsonArray(value)) {
    const { items } = schema;
    return items === undefined ? value : value.map((item, index) => shape(items, item, [...path, index], shaping));
  }
  return isJsonObject(value) && hasFields(schema) ? shapeObject(schema, value, path, shaping) : value;
}

function hasFields(schema: Schema): boolean {
  return schema.type === "object" || schema.properties !== undefined || schema.additionalProperties !== undefined;
}

function shapeObject(schema: Schema, object: JsonObject, path: FieldPath, shaping: Shaping): JsonObject {
  const shaped: Record<string, Json> = {};
  for (const [key, value] of Object.entries(object)) {
    if (value === undefined) continue;
    const property = propertySchema(schema, key);
    const keyPath = [...path, key];
    if (property === undefined) {
      if (keepsUnknown(schema)) shaped[key] = value;
      else shaping.unknown.push(keyPath);
    } else if (value !== null || property.nullable === true) {
      shaped[key] = shape(property, value, keyPath, shaping);
    }
  }
  if (!shaping.fillDefaults) return shaped;
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (property.default !== undefined && !Object.hasOwn(shaped, key)) {
      shaped[key] = shape(property, property.default, [...path, key], shaping);
    }
  }
  return shaped;
}

function keepsUnknown(schema: Schema): boolean {
  return schema["x-kubernetes-preserve-unknown-fields"] === true || schema.additionalProperties === true;
}
