// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonEqual, type JsonObject } from "../../../src/json/json.ts";
import { applyConfiguration, managersAfterUpdate, type ManagedWrite } from "../../../src/local/apply/field-manager.ts";
import {
  decodeFieldSet,
  describeFieldSet,
  differenceOf,
  encodeFieldSet,
  intersectionOf,
  isEmptySet,
  unionOf,
  type FieldSet,
} from "../../../src/local/apply/field-set.ts";
import { decodeManagers, encodeManagers, type Managers } from "../../../src/local/apply/managed-fields.ts";
import { appliedFields } from "../../../src/local/apply/compare.ts";
import type { Schema } from "../../../src/local/schema/schema.ts";

const text: Schema = { type: "string" };
const schema: Schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        a: text,
        b: text,
        labels: { type: "object", additionalProperties: text },
        whole: { type: "object", additionalProperties: text, "x-kubernetes-map-type": "atomic" },
        set: { type: "array", items: text, "x-kubernetes-list-type": "set" },
        parts: {
          type: "array",
          items: {
            type: "object",
            properties: { name: text, value: text, protocol: { type: "string", default: "TCP" } },
          },
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name", "protocol"],
        },
        plain: { type: "array", items: text },
      },
    },
  },
};

const write = (manager: string, managers: Managers, operation: "Apply" | "Update" = "Apply"): ManagedWrite => ({
  schema,
  identity: { manager, operation, apiVersion: "v1" },
  managers,
  time: "2026-01-01T00:00:00Z",
  ignored: [["f:status"]],
});

interface State {
  readonly object: JsonObject;
  readonly managers: Managers;
}

const empty: State = { object: {}, managers: new Map() };

function apply({ object, managers }: State, manager: string, spec: JsonObject, isForced = true): State {
  const result = applyConfiguration(write(manager, managers), object, { spec }, { isForced });
  return { object: result.merged, managers: result.managers };
}

const owned = ({ managers }: State): Readonly<Record<string, readonly string[]>> =>
  Object.fromEntries(
    [...managers.values()].map(({ identity, fields }) => [identity.manager, describeFieldSet(fields)]),
  );

describe("the field manager", () => {
  it("owns each kind of list and map in its own way", () => {
    const state = apply(empty, "m", {
      a: "1",
      labels: { x: "1" },
      whole: { x: "1" },
      set: ["p", "q"],
      parts: [{ name: "n", value: "v" }],
      plain: ["z"],
    });
    expect(owned(state)["m"]).toEqual([
      ".spec.a",
      ".spec.labels.x",
      ".spec.whole",
      '.spec.set[="p"]',
      '.spec.set[="q"]',
      '.spec.parts[name="n",protocol="TCP"]',
      '.spec.parts[name="n",protocol="TCP"].name',
      '.spec.parts[name="n",protocol="TCP"].value',
      ".spec.plain",
    ]);
  });

  it("replaces atomic values as a whole, merges the others", () => {
    const first = apply(empty, "m", {
      whole: { x: "1" },
      set: ["p"],
      parts: [{ name: "a", value: "1" }],
      labels: { x: "1" },
    });
    const second = apply(first, "n", {
      whole: { y: "2" },
      set: ["q"],
      parts: [{ name: "b", value: "2" }],
      labels: { y: "2" },
    });
    expect(second.object["spec"]).toEqual({
      whole: { y: "2" },
      set: ["p", "q"],
      parts: [
        { name: "a", value: "1" },
        { name: "b", value: "2" },
      ],
      labels: { x: "1", y: "2" },
    });
    expect(owned(second)["m"]).not.toContain(".spec.whole");
  });

  it("takes an item away with all that nobody else owns in it", () => {
    const first = apply(empty, "m", {
      parts: [
        { name: "a", value: "1" },
        { name: "b", value: "1" },
      ],
    });
    const both = apply(first, "n", { parts: [{ name: "b", value: "1" }] });
    const left = apply(both, "m", {});
    expect(left.object["spec"]).toEqual({ parts: [{ name: "b", value: "1" }] });
    expect(apply(left, "n", {}).object["spec"]).toEqual({});
  });

  it("lets updates take what they change and drop what they remove", () => {
    const first = apply(empty, "m", { a: "1", b: "1" });
    const after = { spec: { a: "2" } };
    const managers = managersAfterUpdate(write("u", first.managers, "Update"), first.object, after);
    expect(owned({ object: after, managers })).toEqual({ u: [".spec.a"] });
    expect(managersAfterUpdate(write("v", managers, "Update"), after, after)).toBe(managers);
  });

  it("keeps only so many managers of updates", () => {
    let managers: Managers = new Map();
    let before: JsonObject = {};
    for (let index = 0; index < 15; index++) {
      const after: JsonObject = {
        spec: { labels: { ...(before["spec"] as { labels?: JsonObject } | undefined)?.labels, [`l${index}`]: "1" } },
      };
      const update = {
        ...write(`m${index}`, managers, "Update"),
        time: `2026-01-01T00:00:${String(index).padStart(2, "0")}Z`,
      };
      managers = decodeManagers(encodeManagers(managersAfterUpdate(update, before, after)));
      before = after;
    }
    const names = [...managers.values()].map(({ identity }) => identity.manager);
    expect(names).toHaveLength(11);
    expect(names).toContain("ancient-changes");
    expect(names).toContain("m14");
  });

  it("reads managedFields of clients with care", () => {
    const odd = [
      {},
      { manager: "a" },
      { manager: "b", fieldsV1: { junk: {} } as never },
      { manager: "c", operation: "Apply", fieldsV1: { "f:x": {} } },
    ] as const;
    expect([...decodeManagers(odd).values()].map(({ identity }) => identity.manager)).toEqual(["c"]);
    expect(encodeManagers(new Map())).toBeUndefined();
  });
});

const item = fc.record(
  { name: fc.constantFrom("x", "y"), value: fc.constantFrom("1", "2") },
  { requiredKeys: ["name"] },
);
const specs = fc.record(
  {
    a: fc.constantFrom("1", "2"),
    labels: fc.dictionary(fc.constantFrom("k", "l"), fc.constantFrom("1", "2")),
    set: fc.uniqueArray(fc.constantFrom("p", "q")),
    parts: fc.uniqueArray(item, { selector: ({ name }) => name }),
    whole: fc.dictionary(fc.constantFrom("k", "l"), fc.constantFrom("1", "2")),
  },
  { requiredKeys: [] },
) as unknown as fc.Arbitrary<JsonObject>;
const steps = fc.array(fc.tuple(fc.constantFrom("m", "n", "o"), specs), { minLength: 1, maxLength: 6 });

const play = (sequence: readonly (readonly [string, JsonObject])[]): State =>
  sequence.reduce((state, [manager, spec]) => apply(state, manager, spec), empty);

describe("server-side apply, whatever is applied by whom", () => {
  it("makes the last configuration true, and applying it again changes nothing", () => {
    const property = fc.property(steps, (sequence) => {
      const state = play(sequence);
      const [manager, spec] = sequence.at(-1) ?? ["", {}];
      const present = appliedFields(schema, state.object);
      const named = appliedFields(schema, { spec });
      // Empty maps and lists may have been there with content; everything else that was named is there.
      const leaves = describeFieldSet(named).filter((path) => !/\.(labels|set|parts|spec)$/.test(path));
      const areThere = leaves.every((path) => describeFieldSet(present).includes(path) || path === "");
      const again = apply(state, manager, spec, false);
      return areThere && jsonEqual(again.object, state.object) && encodedEqual(again.managers, state.managers);
    });
    expect(fc.check(property, { numRuns: 500 }).counterexample).toBeNull();
  });

  it("leaves nothing when everybody withdraws", () => {
    const property = fc.property(steps, (sequence) => {
      const state = ["m", "n", "o"].reduce((current, manager) => {
        const { merged, managers } = applyConfiguration(
          write(manager, current.managers),
          current.object,
          {},
          { isForced: true },
        );
        return { object: merged, managers };
      }, play(sequence));
      return jsonEqual(state.object, {}) && [...state.managers.values()].every(({ fields }) => isEmptySet(fields));
    });
    expect(fc.check(property, { numRuns: 500 }).counterexample).toBeNull();
  });
});

function encodedEqual(a: Managers, b: Managers): boolean {
  return JSON.stringify(encodeManagers(a)) === JSON.stringify(encodeManagers(b));
}

const fieldSets: fc.Arbitrary<FieldSet> = fc.letrec<{ set: FieldSet }>((tie) => ({
  set: fc
    .tuple(
      fc.boolean(),
      fc.dictionary(
        fc.constantFrom("f:a", "f:b", 'k:{"n":"x"}', 'v:"y"'),
        fc.oneof({ maxDepth: 3 }, fc.constant({ isMember: true, children: new Map() }), tie("set")),
      ),
    )
    .map(([isMember, children]) => ({
      isMember: isMember || Object.keys(children).length === 0,
      children: new Map(Object.entries(children)),
    })),
})).set;

describe("field sets", () => {
  const paths = (set: FieldSet): string => describeFieldSet(set).toSorted().join("\n");
  it("survive encoding", () => {
    const property = fc.property(fieldSets, (set) => {
      const wrapped: FieldSet = { isMember: false, children: new Map([["f:root", set]]) };
      return paths(decodeFieldSet(encodeFieldSet(wrapped))) === paths(wrapped);
    });
    expect(fc.check(property).counterexample).toBeNull();
  });

  it("obey the laws of sets", () => {
    const property = fc.property(fieldSets, fieldSets, (a, b) => {
      const both = paths(unionOf(differenceOf(a, b), intersectionOf(a, b)));
      return (
        both === paths(a) &&
        isEmptySet(intersectionOf(differenceOf(a, b), b)) &&
        paths(unionOf(a, b)) === paths(unionOf(b, a))
      );
    });
    expect(fc.check(property).counterexample).toBeNull();
  });

  it("decode anything", () => {
    const property = fc.property(fc.jsonValue(), (value) =>
      describeFieldSet(decodeFieldSet(value)).every((path) => typeof path === "string"),
    );
    expect(fc.check(property).counterexample).toBeNull();
  });
});
