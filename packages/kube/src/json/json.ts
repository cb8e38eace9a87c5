// SPDX-License-Identifier: Apache-2.0

/** A value as JSON.parse makes it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** An object as JSON.parse makes it; absent keys and `undefined` are the same. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** True for `{...}`, not for arrays and null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** True for `[...]`; unlike Array.isArray it keeps the element type of {@link Json}. */
export function isJsonArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value);
}

/** The value at a path of keys and indexes, undefined where the path leads nowhere. */
export function jsonAt(value: Json | undefined, ...path: readonly (string | number)[]): Json | undefined {
  let current = value;
  for (const step of path) {
    if (typeof step === "number") current = isJsonArray(current) ? current[step] : undefined;
    else current = isJsonObject(current) && Object.hasOwn(current, step) ? current[step] : undefined;
  }
  return current;
}

/** A value as text: scalars as they are, lists and objects as JSON, `otherwise` for null and nothing. */
export function jsonText(value: Json | undefined, otherwise = ""): string {
  if (value === undefined || value === null) return otherwise;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Structural equality of JSON values. The order of keys does not matter. */
export function jsonEqual(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isJsonArray(a)) {
    return isJsonArray(b) && a.length === b.length && a.every((item, index) => jsonEqual(item, b[index]));
  }
  if (!isJsonObject(a) || !isJsonObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && jsonEqual(a[key], b[key]))
  );
}

/** A copy of `object` with some fields replaced; fields given as undefined are left out. */
export function withFields(object: JsonObject, fields: JsonObject): JsonObject {
  const merged = { ...object, ...fields };
  for (const [key, value] of Object.entries(fields)) if (value === undefined) delete merged[key];
  return merged;
}

/** Makes the value and all it holds immutable. Gives the same value back. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const item of Object.values(value)) deepFreeze(item);
  return value;
}
