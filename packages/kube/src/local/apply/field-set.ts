// SPDX-License-Identifier: Apache-2.0
import type { FieldsV1 } from "@ambientmesh/api/kubernetes";

/**
 * A set of field paths as a tree, as in metadata.managedFields (FieldsV1). The key of a child is its path element:
 * `f:name` a field, `k:{"name":"a"}` an item of a keyed list, `v:"x"` an item of a set.
 */
export interface FieldSet {
  /** The path that leads here is itself in the set. */
  readonly isMember: boolean;
  readonly children: ReadonlyMap<string, FieldSet>;
}

/** The set with nothing in it. */
export const noFields: FieldSet = { isMember: false, children: new Map() };

/** The set of a path alone. */
export const leafField: FieldSet = { isMember: true, children: new Map() };

export function isEmptySet(set: FieldSet | undefined): boolean {
  return set === undefined || (!set.isMember && set.children.size === 0);
}

/** A set node of the given parts; children that hold nothing are left out. */
export function fieldNode(isMember: boolean, children: Iterable<readonly [string, FieldSet]>): FieldSet {
  return { isMember, children: new Map([...children].filter(([, child]) => !isEmptySet(child))) };
}

export function unionOf(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  if (isEmptySet(b)) return a;
  const children = new Map(a.children);
  for (const [element, child] of b.children) {
    const other = children.get(element);
    children.set(element, other === undefined ? child : unionOf(other, child));
  }
  return { isMember: a.isMember || b.isMember, children };
}

/** What is in `a` and not in `b`. */
export function differenceOf(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  const children = [...a.children].map(([element, child]): [string, FieldSet] => {
    const other = b.children.get(element);
    return [element, other === undefined ? child : differenceOf(child, other)];
  });
  return fieldNode(a.isMember && !b.isMember, children);
}

/** What is in both. */
export function intersectionOf(a: FieldSet, b: FieldSet): FieldSet {
  const children = [...a.children].flatMap(([element, child]): [string, FieldSet][] => {
    const other = b.children.get(element);
    return other === undefined ? [] : [[element, intersectionOf(child, other)]];
  });
  return fieldNode(a.isMember && b.isMember, children);
}

/** The set without everything at and under a path of elements. */
export function withoutBranch(set: FieldSet, path: readonly string[]): FieldSet {
  const [element = "", ...rest] = path;
  const child = set.children.get(element);
  if (child === undefined) return set;
  const others = [...set.children].filter(([key]) => key !== element);
  return rest.length === 0
    ? fieldNode(set.isMember, others)
    : fieldNode(set.isMember, [...others, [element, withoutBranch(child, rest)]]);
}

/** As in metadata.managedFields. */
export function encodeFieldSet(set: FieldSet): FieldsV1 {
  const encoded: Record<string, FieldsV1> = {};
  if (set.isMember && set.children.size > 0) encoded["."] = {};
  for (const [element, child] of [...set.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
    encoded[element] = encodeFieldSet(child);
  }
  return encoded;
}

/** Reads {@link encodeFieldSet}'s form. What a client sent in another shape counts as empty. */
export function decodeFieldSet(encoded: unknown): FieldSet {
  return decode(encoded, false);
}

function decode(encoded: unknown, isLeafMember: boolean): FieldSet {
  if (typeof encoded !== "object" || encoded === null) return noFields;
  const entries = Object.entries(encoded);
  if (entries.length === 0) return isLeafMember ? leafField : noFields;
  const children = entries
    .filter(([element]) => /^[fkvi]:/.test(element))
    .map(([element, child]): [string, FieldSet] => [element, decode(child, true)]);
  return fieldNode(Object.hasOwn(encoded, "."), children);
}

/** Every path in the set, as messages show them: `.spec.ports[port=80].name`. */
export function describeFieldSet(set: FieldSet, prefix = ""): readonly string[] {
  const nested = [...set.children].flatMap(([element, child]) =>
    describeFieldSet(child, prefix + describeElement(element)),
  );
  return set.isMember ? [prefix, ...nested] : nested;
}

function describeElement(element: string): string {
  const value = element.slice(2);
  switch (element.slice(0, 2)) {
    case "f:":
      return `.${value}`;
    case "k:":
      return `[${value.replace(/^\{(.*)\}$/s, "$1").replaceAll(/"([^"]+)":/g, "$1=")}]`;
    default:
      return element.startsWith("v:") ? `[=${value}]` : `[${value}]`;
  }
}
