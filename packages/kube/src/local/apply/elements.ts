// SPDX-License-Identifier: Apache-2.0
import { isJsonArray, isJsonObject, type Json, type JsonObject } from "../../json/json.ts";
import { listMerge, propertySchema, type Schema } from "../schema/schema.ts";
import { listItemKey } from "../schema/validate.ts";

/** One part of a value that managers can own on its own. */
export interface Part {
  /** The path element, as in FieldsV1. */
  readonly element: string;
  readonly value: Json;
  readonly schema: Schema | undefined;
}

/**
 * The parts of a value: fields of a granular object, items of a keyed list or a set. Undefined for what is owned as a
 * whole: scalars, atomic objects and lists. Objects of unknown schema are granular, lists of unknown schema atomic.
 */
export function partsOf(schema: Schema | undefined, value: Json): readonly Part[] | undefined {
  if (isJsonArray(value)) return listParts(schema, value);
  if (!isJsonObject(value) || schema?.["x-kubernetes-map-type"] === "atomic") return undefined;
  return Object.entries(value).flatMap(([key, item]) =>
    item === undefined ? [] : [{ element: `f:${key}`, value: item, schema: propertySchema(schema, key) }],
  );
}

function listParts(schema: Schema | undefined, list: readonly Json[]): readonly Part[] | undefined {
  const merge = listMerge(schema);
  switch (merge.kind) {
    case "atomic":
      return undefined;
    case "set":
      return list.map((value) => ({ element: `v:${JSON.stringify(value)}`, value, schema: schema?.items }));
    case "map":
      return list.map((value) => ({
        element: `k:${JSON.stringify(sorted(listItemKey(schema, value, merge.keys)))}`,
        value,
        schema: schema?.items,
      }));
  }
}

function sorted(object: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Puts parts together again, into the kind of container that `like` is. */
export function containerOf(like: Json, parts: readonly Part[]): Json {
  if (isJsonArray(like)) return parts.map((part) => part.value);
  return Object.fromEntries(parts.map((part) => [part.element.slice(2), part.value]));
}

/** True for items of keyed lists, which are owned themselves beside their fields. */
export const isListItem = (element: string): boolean => element.startsWith("k:");
