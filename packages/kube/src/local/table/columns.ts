// SPDX-License-Identifier: Apache-2.0
import { isJsonArray, isJsonObject, jsonAt, jsonText, type Json } from "../../json/json.ts";
import type { Column } from "../kinds/kind.ts";
import { asJson, type ApiObject } from "../objects/api-object.ts";
import { ageSince } from "./age.ts";

type Cell = Column["cell"];

/** The first column of every kind. */
export const nameColumn: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "The name, unique among its kind in its namespace.",
  cell: (object) => object.metadata.name,
};

/** The last column of most kinds. */
export const ageColumn: Column = column("Age", (object, nowMs) => ageSince(object.metadata.creationTimestamp, nowMs));

/** A column of texts that is always shown. */
export function column(name: string, cell: Cell): Column {
  return { name, type: "string", cell };
}

/** A column of texts that only `-o wide` shows. */
export function wideColumn(name: string, cell: Cell): Column {
  return { name, type: "string", priority: 1, cell };
}

/** A column of whole numbers. */
export function countColumn(name: string, cell: (object: ApiObject) => number): Column {
  return { name, type: "integer", cell };
}

/** The text at a path, or `otherwise`. */
export function textAt(object: ApiObject, path: readonly (string | number)[], otherwise = "<none>"): string {
  const value = jsonAt(asJson(object), ...path);
  return value === "" ? otherwise : jsonText(value, otherwise);
}

/** The whole number at a path, or 0. */
export function countAt(object: ApiObject, ...path: readonly (string | number)[]): number {
  const value = jsonAt(asJson(object), ...path);
  return typeof value === "number" ? value : 0;
}

/** The list at a path, or an empty one. */
export function listAt(object: ApiObject, ...path: readonly (string | number)[]): readonly Json[] {
  const value = jsonAt(asJson(object), ...path);
  return isJsonArray(value) ? value : [];
}

/** `a=b,c=d` of a map of labels, "<none>" if there are none. */
export function formatLabels(labels: Json | undefined): string {
  const pairs = isJsonObject(labels) ? Object.entries(labels).map(([key, value]) => `${key}=${jsonText(value)}`) : [];
  return pairs.length === 0 ? "<none>" : pairs.join(",");
}
