// SPDX-License-Identifier: Apache-2.0
import type { Json } from "./json.ts";

// Deeper than any CRD's schema, shallow enough for recursive code.
const MAX_DEPTH = 200;

/**
 * Says why a parsed value of foreign origin can't be worked with as JSON, or undefined if it can: nesting that would
 * exhaust the stack of recursive code, a key (`__proto__`) that would change a prototype when copied, or a value that
 * JSON does not have (YAML knows infinite numbers).
 */
export function jsonHazard(value: unknown): string | undefined {
  const pending: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next.value !== "object" || next.value === null) {
      if (!isJsonScalar(next.value)) return `it holds ${String(next.value)}, which JSON does not have`;
      continue;
    }
    if (next.depth >= MAX_DEPTH) return `it is nested deeper than ${MAX_DEPTH} levels`;
    if (Object.hasOwn(next.value, "__proto__")) return 'the key "__proto__" is not allowed';
    for (const item of Object.values(next.value)) pending.push({ value: item, depth: next.depth + 1 });
  }
  return undefined;
}

function isJsonScalar(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value);
  return value === null || typeof value === "string" || typeof value === "boolean";
}

/**
 * Parses JSON of foreign origin.
 * @throws SyntaxError when it is none, or when {@link jsonHazard} finds something.
 */
export function parseForeignJson(text: string): Json {
  const value = JSON.parse(text) as Json;
  const hazard = jsonHazard(value);
  if (hazard !== undefined) throw new SyntaxError(hazard);
  return value;
}
