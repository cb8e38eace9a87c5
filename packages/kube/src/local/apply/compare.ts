// SPDX-License-Identifier: Apache-2.0
import { jsonEqual, type Json } from "../../json/json.ts";
import type { Schema } from "../schema/schema.ts";
import { isListItem, partsOf, type Part } from "./elements.ts";
import { fieldNode, isEmptySet, leafField, noFields, type FieldSet } from "./field-set.ts";

/** What differs between two states of an object. */
export interface Difference {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** The fields that an applied configuration names, and that its manager owns by that. */
export function appliedFields(schema: Schema | undefined, value: Json): FieldSet {
  const parts = partsOf(schema, value);
  if (parts === undefined || parts.length === 0) return leafField;
  return fieldNode(
    false,
    parts.map((part) => {
      const fields = appliedFields(part.schema, part.value);
      return [part.element, isListItem(part.element) ? { ...fields, isMember: true } : fields] as const;
    }),
  );
}

/** Every path of a value: containers and what is in them. */
function allFields(schema: Schema | undefined, value: Json): FieldSet {
  const parts = partsOf(schema, value) ?? [];
  return fieldNode(
    true,
    parts.map((part) => [part.element, allFields(part.schema, part.value)] as const),
  );
}

const same: Difference = { added: noFields, modified: noFields, removed: noFields };

/** Compares two values of one schema, field by field as far as fields can be owned. */
export function compareValues(schema: Schema | undefined, before: Json, after: Json): Difference {
  if (before === after) return same;
  const partsBefore = partsOf(schema, before);
  const partsAfter = partsOf(schema, after);
  if (partsBefore === undefined || partsAfter === undefined || Array.isArray(before) !== Array.isArray(after)) {
    return jsonEqual(before, after) ? same : { ...same, modified: leafField };
  }
  return compareParts(partsBefore, partsAfter);
}

function compareParts(before: readonly Part[], after: readonly Part[]): Difference {
  const old = new Map(before.map((part) => [part.element, part]));
  const added: [string, FieldSet][] = [];
  const modified: [string, FieldSet][] = [];
  const removed: [string, FieldSet][] = [];
  for (const part of after) {
    const previous = old.get(part.element);
    old.delete(part.element);
    if (previous === undefined) {
      added.push([part.element, allFields(part.schema, part.value)]);
      continue;
    }
    const difference = compareValues(part.schema, previous.value, part.value);
    added.push([part.element, difference.added]);
    modified.push([part.element, difference.modified]);
    removed.push([part.element, difference.removed]);
  }
  for (const [element, part] of old) removed.push([element, allFields(part.schema, part.value)]);
  return { added: fieldNode(false, added), modified: fieldNode(false, modified), removed: fieldNode(false, removed) };
}

/** True if nothing differs. */
export function isSame({ added, modified, removed }: Difference): boolean {
  return isEmptySet(added) && isEmptySet(modified) && isEmptySet(removed);
}
