// SPDX-License-Identifier: Apache-2.0
import type { Json } from "../../json/json.ts";
import type { Schema } from "../schema/schema.ts";
import { containerOf, partsOf, type Part } from "./elements.ts";
import { isEmptySet, noFields, type FieldSet } from "./field-set.ts";

/** Lays an applied configuration over the live value: containers are merged part by part, the rest is replaced. */
export function mergeApplied(schema: Schema | undefined, live: Json | undefined, applied: Json): Json {
  const appliedParts = partsOf(schema, applied);
  const liveParts = live === undefined ? undefined : partsOf(schema, live);
  if (liveParts === undefined || appliedParts === undefined || Array.isArray(live) !== Array.isArray(applied)) {
    return applied;
  }
  const incoming = new Map(appliedParts.map((part) => [part.element, part]));
  const merged: Part[] = [];
  for (const part of liveParts) {
    const change = incoming.get(part.element);
    incoming.delete(part.element);
    merged.push(change === undefined ? part : { ...part, value: mergeApplied(part.schema, part.value, change.value) });
  }
  return containerOf(applied, inOrderOf(appliedParts, [...merged, ...incoming.values()]));
}

/** Parts in the order of the configuration; those it does not name stay behind the part that they followed. */
function inOrderOf(wanted: readonly Part[], parts: readonly Part[]): readonly Part[] {
  const ranks = new Map(wanted.map((part, index) => [part.element, index]));
  const groups: { readonly rank: number; readonly parts: Part[] }[] = [{ rank: -1, parts: [] }];
  for (const part of parts) {
    const rank = ranks.get(part.element);
    if (rank === undefined) groups.at(-1)?.parts.push(part);
    else groups.push({ rank, parts: [part] });
  }
  return groups.sort((a, b) => a.rank - b.rank).flatMap((group) => group.parts);
}

/**
 * Takes fields out of a value that their manager no longer applies and nobody else owns.
 * A container that becomes empty goes too, unless somebody owns it.
 *
 * @param gone the fields to remove
 * @param owned what the managers own now
 * @returns undefined if nothing is left of the value
 */
export function pruneFields(
  schema: Schema | undefined,
  value: Json,
  gone: FieldSet,
  owned: FieldSet,
): Json | undefined {
  const parts = partsOf(schema, value);
  if (parts === undefined || gone.children.size === 0) return value;
  const kept = parts.flatMap((part): Part[] => {
    const goneHere = gone.children.get(part.element);
    const ownedHere = owned.children.get(part.element) ?? noFields;
    if (goneHere === undefined) return [part];
    if (goneHere.isMember && isEmptySet(ownedHere)) return [];
    const rest = pruneFields(part.schema, part.value, goneHere, ownedHere);
    return rest === undefined ? [] : [{ ...part, value: rest }];
  });
  return kept.length === 0 && parts.length > 0 && !owned.isMember ? undefined : containerOf(value, kept);
}
