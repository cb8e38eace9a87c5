// SPDX-License-Identifier: Apache-2.0
import { isJsonArray, isJsonObject, jsonText, type Json } from "../../json/json.ts";

type Step =
  | { readonly kind: "key"; readonly key: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "all" }
  | { readonly kind: "filter"; readonly key: string; readonly value: string };

const STEP =
  /\.([A-Za-z_$][\w$-]*(?:\\\.[\w$/-]+)*)|\['([^']*)'\]|\[(-?\d+)\]|\[\*\]|\.\*|\[\?\(@\.([\w.-]+)==["']([^"']*)["']\)\]/y;

/** Finds values in an object; several when the path has a filter or `[*]`. */
export type JsonPath = (value: Json) => readonly Json[];

/**
 * Compiles the part of JSONPath that printer columns and selectable fields use:
 * `.a.b`, `['a.b']`, `.a\.b`, `[0]`, `[*]`, `[?(@.type=="Ready")]`. Undefined for anything else.
 */
export function compileJsonPath(text: string): JsonPath | undefined {
  const steps: Step[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < text.length) {
    const match = STEP.exec(text);
    if (match === null) return undefined;
    steps.push(stepOf(match));
  }
  return (value) =>
    steps.reduce<readonly Json[]>((found, step) => found.flatMap((item) => follow(step, item)), [value]);
}

function stepOf([, dotted, quoted, index, filterKey, filterValue]: RegExpExecArray): Step {
  if (dotted !== undefined) return { kind: "key", key: dotted.replaceAll("\\.", ".") };
  if (quoted !== undefined) return { kind: "key", key: quoted };
  if (index !== undefined) return { kind: "index", index: Number(index) };
  if (filterKey !== undefined) return { kind: "filter", key: filterKey, value: filterValue ?? "" };
  return { kind: "all" };
}

function follow(step: Step, value: Json): readonly Json[] {
  switch (step.kind) {
    case "key": {
      const found = isJsonObject(value) && Object.hasOwn(value, step.key) ? value[step.key] : undefined;
      return found === undefined ? [] : [found];
    }
    case "index": {
      const found = isJsonArray(value) ? value.at(step.index) : undefined;
      return found === undefined ? [] : [found];
    }
    case "all":
      return childrenOf(value);
    case "filter":
      return childrenOf(value).filter((item) => isJsonObject(item) && jsonText(item[step.key]) === step.value);
  }
}

function childrenOf(value: Json): readonly Json[] {
  if (isJsonArray(value)) return value;
  return isJsonObject(value) ? Object.values(value).filter((item) => item !== undefined) : [];
}
