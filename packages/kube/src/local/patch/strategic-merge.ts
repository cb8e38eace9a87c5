// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import { isJsonArray, isJsonObject, jsonEqual, jsonText, type Json, type JsonObject } from "../../json/json.ts";
import { propertySchema, type Schema } from "../schema/schema.ts";
import { reorder } from "./element-order.ts";

const PATCH = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM_LIST = "$deleteFromPrimitiveList/";
const SET_ORDER = "$setElementOrder/";

/**
 * Applies a strategic merge patch as kubectl sends them for built-in kinds: a merge patch in which lists are merged by
 * the key that the schema names, with the directives $patch, $retainKeys, $deleteFromPrimitiveList and $setElementOrder.
 * @throws MeshError KUBE_BAD_REQUEST when a directive is malformed.
 */
export function applyStrategicMergePatch(schema: Schema | undefined, target: Json, patch: Json): Json {
  if (!isJsonObject(patch)) throw badPatch("it must be an object");
  return mergeObject(schema, isJsonObject(target) ? target : {}, patch);
}

function badPatch(problem: string): Error {
  return kubeErrors.create("KUBE_BAD_REQUEST", `the strategic merge patch can't be read: ${problem}`);
}

function mergeObject(schema: Schema | undefined, target: JsonObject, patch: JsonObject): JsonObject {
  const directive = patch[PATCH];
  if (directive === "replace") return fieldsOf(withoutDirectives(patch));
  if (directive === "delete") return {};
  if (directive !== undefined && directive !== "merge") throw badPatch(`$patch: ${jsonText(directive)} is unknown`);
  const merged: Record<string, Json | undefined> = { ...retained(target, patch[RETAIN_KEYS]) };
  for (const [key, value] of Object.entries(patch)) {
    if (isDirective(key) || value === undefined) continue;
    if (value === null) delete merged[key];
    else merged[key] = mergeValue(propertySchema(schema, key), merged[key], value);
  }
  applyListDirectives(schema, merged, patch);
  return merged;
}

const isDirective = (key: string): boolean =>
  key === PATCH || key === RETAIN_KEYS || key.startsWith(DELETE_FROM_LIST) || key.startsWith(SET_ORDER);

function retained(target: JsonObject, keys: Json | undefined): JsonObject {
  if (keys === undefined) return target;
  if (!isJsonArray(keys)) throw badPatch("$retainKeys must be a list");
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)));
}

function mergeValue(schema: Schema | undefined, target: Json | undefined, patch: Json): Json {
  if (isJsonObject(patch)) return mergeObject(schema, isJsonObject(target) ? target : {}, patch);
  if (isJsonArray(patch) && schema?.["x-kubernetes-patch-strategy"] === "merge") {
    return mergeList(schema, isJsonArray(target) ? target : [], patch);
  }
  return withoutDirectives(patch);
}

function mergeList(schema: Schema, target: readonly Json[], patch: readonly Json[]): readonly Json[] {
  if (patch.some((item) => isJsonObject(item) && item[PATCH] === "replace")) {
    return patch.filter((item) => !(isJsonObject(item) && item[PATCH] === "replace")).map(withoutDirectives);
  }
  const key = schema["x-kubernetes-patch-merge-key"];
  if (key === undefined) {
    return [...target, ...patch.filter((item) => !target.some((present) => jsonEqual(present, item)))];
  }
  return patch.reduce<readonly Json[]>((list, item) => mergeItem({ schema, key }, list, item), target);
}

function mergeItem(
  by: { readonly schema: Schema; readonly key: string },
  list: readonly Json[],
  item: Json,
): readonly Json[] {
  if (!isJsonObject(item) || item[by.key] === undefined)
    throw badPatch(`an item of a merged list lacks its key "${by.key}"`);
  const at = list.findIndex((present) => isJsonObject(present) && jsonEqual(present[by.key], item[by.key]));
  if (item[PATCH] === "delete") return at < 0 ? list : list.toSpliced(at, 1);
  const present = list[at];
  const merged = mergeObject(by.schema.items, isJsonObject(present) ? present : {}, item);
  return at < 0 ? [...list, merged] : list.with(at, merged);
}

function applyListDirectives(
  schema: Schema | undefined,
  merged: Record<string, Json | undefined>,
  patch: JsonObject,
): void {
  for (const [directive, values] of Object.entries(patch)) {
    if (!directive.startsWith(DELETE_FROM_LIST) && !directive.startsWith(SET_ORDER)) continue;
    if (!isJsonArray(values)) throw badPatch(`${directive} must be a list`);
    const key = directive.slice(directive.indexOf("/") + 1);
    const list = merged[key];
    if (!isJsonArray(list)) continue;
    const mergeKey = propertySchema(schema, key)?.["x-kubernetes-patch-merge-key"];
    merged[key] = directive.startsWith(SET_ORDER)
      ? reorder(list, values, mergeKey)
      : list.filter((item) => !values.some((value) => jsonEqual(item, value)));
  }
}

/** What a patch adds where nothing was: without directives, and without nulls, which mean "remove". */
function withoutDirectives(value: Json): Json {
  if (isJsonArray(value)) return value.map(withoutDirectives);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, item]) => !isDirective(key) && item !== null && item !== undefined)
      .map(([key, item]) => [key, withoutDirectives(item as Json)]),
  );
}

function fieldsOf(value: Json): JsonObject {
  return isJsonObject(value) ? value : {};
}
