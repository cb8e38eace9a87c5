// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import { parse } from "yaml";
import { createEligibility, type EnablementSelector } from "./eligibility.ts";

const FIELDS: ReadonlySet<string> = new Set(["podSelector", "namespaceSelector"]);

/**
 * Reads AMBIENT_ENABLEMENT_SELECTOR: a list of `podSelector` and `namespaceSelector`, in YAML or JSON.
 * @throws TypeError saying what is wrong with it
 */
export function parseEnablementSelectors(text: string): readonly EnablementSelector[] {
  const value = parseYaml(text);
  if (!Array.isArray(value)) throw new TypeError("is no list of selectors");
  for (const [index, entry] of value.entries()) {
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) {
      throw new TypeError(`[${index}] is no object with podSelector and namespaceSelector`);
    }
    const unknown = Object.keys(entry as object).find((field) => !FIELDS.has(field));
    if (unknown !== undefined) throw new TypeError(`[${index}] has the unknown field "${unknown}"`);
    for (const [field, selector] of Object.entries(entry as object)) checkSelector(`[${index}].${field}`, selector);
  }
  return value as EnablementSelector[];
}

function parseYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 10, logLevel: "error" });
  } catch (error) {
    throw new TypeError(`is no YAML: ${messageOf(error).split("\n")[0]}`, { cause: error });
  }
}

function checkSelector(path: string, selector: unknown): void {
  const { matchLabels = {}, matchExpressions = [], ...unknown } = asObject(path, selector);
  const [extra] = Object.keys(unknown);
  if (extra !== undefined) throw new TypeError(`${path} has the unknown field "${extra}"`);
  if (Object.values(asObject(`${path}.matchLabels`, matchLabels)).some((label) => typeof label !== "string")) {
    throw new TypeError(`${path}.matchLabels has a value that is no text; put it into quotes`);
  }
  if (!Array.isArray(matchExpressions)) throw new TypeError(`${path}.matchExpressions is no list`);
  for (const [index, expression] of matchExpressions.entries()) {
    const { key, operator, values = [] } = asObject(`${path}.matchExpressions[${index}]`, expression);
    const isSound = typeof key === "string" && typeof operator === "string" && isTextList(values);
    if (!isSound) throw new TypeError(`${path}.matchExpressions[${index}] needs key, operator and a list of texts`);
  }
  try {
    createEligibility({ selectors: [{ podSelector: selector as object }], excludedNamespaces: [] });
  } catch (error) {
    throw new TypeError(`${path}: ${messageOf(error)}`, { cause: error });
  }
}

function asObject(path: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TypeError(`${path} is no object`);
}

function isTextList(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
