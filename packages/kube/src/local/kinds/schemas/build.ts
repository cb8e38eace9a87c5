// SPDX-License-Identifier: Apache-2.0
import type { Json } from "../../../json/json.ts";
import type { Schema } from "../../schema/schema.ts";

// Words for schemas of built-in kinds, so that a kind reads like its documentation.

export const text: Schema = { type: "string" };
export const bool: Schema = { type: "boolean" };
export const int32: Schema = { type: "integer", format: "int32" };
export const int64: Schema = { type: "integer", format: "int64" };
export const time: Schema = { type: "string", format: "date-time" };
export const intOrString: Schema = { "x-kubernetes-int-or-string": true };
export const portNumber: Schema = { type: "integer", format: "int32", minimum: 1, maximum: 65_535 };

/** Any fields: parts of an object that the mesh never looks into. */
export const anyFields: Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** An object of named fields; `required` ones have to be there. */
export function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return required.length === 0 ? { type: "object", properties } : { type: "object", properties, required };
}

/** An object that is owned and replaced as a whole. */
export function atomicObject(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { ...object(properties, required), "x-kubernetes-map-type": "atomic" };
}

/** Free keys with values of one kind. */
export function mapOf(value: Schema): Schema {
  return { type: "object", additionalProperties: value };
}

/** A list that is replaced as a whole. */
export function listOf(items: Schema): Schema {
  return { type: "array", items, "x-kubernetes-list-type": "atomic" };
}

/** A list of distinct scalars that managers add to. */
export function setOf(items: Schema): Schema {
  return { type: "array", items, "x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge" };
}

/** A list whose items are known by key fields; strategic merge knows only the first one. */
export function keyedList(items: Schema, ...keys: readonly string[]): Schema {
  return {
    type: "array",
    items,
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": keys,
    "x-kubernetes-patch-strategy": "merge",
    "x-kubernetes-patch-merge-key": keys[0] ?? "",
  };
}

export function oneOf(...values: readonly string[]): Schema {
  return { type: "string", enum: values };
}

export function withDefault(schema: Schema, value: Json): Schema {
  return { ...schema, default: value };
}
