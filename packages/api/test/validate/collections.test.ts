// SPDX-License-Identifier: Apache-2.0
import { create, createRegistry } from "@bufbuild/protobuf";
import { AnySchema, StructSchema, anyPack } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { AnysSchema, LeafSchema, ListsSchema, MapsSchema, RecursiveSchema } from "../fixtures/gen/fixtures/rules_pb.ts";
import { createValidator } from "../../src/validate/index.ts";
import { broken, brokenIn } from "./judge.ts";

test.each<[field: string, value: unknown[], expected: string[]]>([
  ["min_items", [1, 2], []],
  ["min_items", [1], ["repeated.min_items"]],
  ["min_items", [], ["repeated.min_items"]],
  ["max_items", [1, 2], []],
  ["max_items", [1, 2, 3], ["repeated.max_items"]],
  ["unique", ["a", "b"], []],
  ["unique", [], []],
  ["unique", ["a", "b", "a", "b"], ["[2] repeated.unique"]],
  ["unique_bytes", [Uint8Array.of(1), Uint8Array.of(2)], []],
  ["unique_bytes", [Uint8Array.of(1), Uint8Array.of(1)], ["[1] repeated.unique"]],
  ["unique_floats", [0.1, Math.fround(0.1)], ["[1] repeated.unique"]],
  ["unique_floats", [0.1, 0.2], []],
  ["unique_enums", [1, 2], []],
  ["unique_enums", [1, 1], ["[1] repeated.unique"]],
  ["items", ["ab", "cd"], []],
  ["items", ["ab", "c", "de", ""], ["[1] string.min_len", "[3] string.min_len"]],
  ["messages", [{ name: "a" }, {}], ["[1].name string.min_len"]],
  ["skipped", [{}], []],
  ["ignoring", [], []],
  ["ignoring", ["a"], ["repeated.min_items"]],
  ["durations", [{ seconds: 2n }, { seconds: 1n }], ["[1] duration.gt"]],
  ["enums", [1, 7], ["[1] enum.defined_only"]],
  ["ignoring_items", ["", "a", "ab"], ["[1] string.min_len"]],
])("Lists.%s: %o breaks %j", (field, value, expected) => {
  expect(broken(ListsSchema, field, value)).toEqual(expected);
});

test.each<[field: string, value: object, expected: string[]]>([
  ["min_pairs", { a: "", b: "" }, []],
  ["min_pairs", { a: "" }, ["map.min_pairs"]],
  ["max_pairs", { a: "" }, []],
  ["max_pairs", { a: "", b: "" }, ["map.max_pairs"]],
  ["no_sparse", { a: { name: "x" } }, []],
  ["no_sparse", { a: {} }, ['["a"].name string.min_len']],
  ["keys", { ab: "" }, []],
  ["keys", { a: "" }, ['["a"] map.keys.string.min_len']],
  ["keys", { "": "" }, ['[""] map.keys.string.min_len']],
  ["values", { a: "ab" }, []],
  ["values", { a: "ab", b: "c" }, ['["b"] string.min_len']],
  ["messages", { 7: { name: "x" }, [-1]: {} }, ['["-1"].name string.min_len']],
  ["skipped", { a: {} }, []],
  ["ignoring", {}, []],
  ["ignoring", { a: "" }, ["map.min_pairs"]],
  ["int32_keys", { 1: "" }, []],
  ["int32_keys", { [-1]: "" }, ['["-1"] map.keys.int32.gt']],
  ["uint64_keys", { "9007199254740994": "" }, []],
  ["uint64_keys", { "9007199254740993": "" }, ['["9007199254740993"] map.keys.uint64.gt']],
  ["bool_keys", { true: "" }, []],
  ["bool_keys", { false: "" }, ['["false"] map.keys.bool.const']],
  ["wrapped", { a: { value: 0 } }, ['["a"] uint32.gt']],
  ["wrapped", { a: { value: 1 } }, []],
])("Maps.%s: %j breaks %j", (field, value, expected) => {
  expect(broken(MapsSchema, field, value)).toEqual(expected);
});

it("finds entries without a value, as plain JavaScript may make them", () => {
  const message = create(MapsSchema, { minPairs: { a: "", b: "" } });
  message.noSparse = { a: undefined as never, b: create(LeafSchema, { name: "x" }) };
  expect(brokenIn(MapsSchema, message)).toEqual([['no_sparse["a"]', "map.no_sparse"]]);
});

it("unique finds what a comparison of all pairs finds", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("a", "b", "c", "", "__proto__"), { maxLength: 5 }), (list) => {
      const at = list.findIndex((item, index) => list.indexOf(item) < index);
      expect(broken(ListsSchema, "unique", list)).toEqual(at === -1 ? [] : [`[${at}] repeated.unique`]);
    }),
  );
});

describe("an Any", () => {
  const leaf = (name: string) => anyPack(LeafSchema, create(LeafSchema, { name }));
  const registry = createRegistry(LeafSchema, RecursiveSchema, AnysSchema, AnySchema, StructSchema);
  const looking = createValidator({ registry });

  test.each<[field: string, value: object | undefined, expected: string[]]>([
    ["required", undefined, ["any.required"]],
    ["required", leaf("x"), []],
    ["in", leaf("x"), []],
    ["in", { typeUrl: "type.googleapis.com/fixtures.Recursive" }, ["any.in"]],
    ["in", { typeUrl: "fixtures.Leaf" }, ["any.in"]],
    ["in", undefined, []],
    ["not_in", leaf("x"), ["any.not_in"]],
    ["not_in", { typeUrl: "type.googleapis.com/fixtures.Recursive" }, []],
    ["plain", leaf(""), []],
    ["other", undefined, ["any.required"]],
    ["other", {}, [".name string.min_len"]],
    ["other", { name: "x" }, []],
  ])("%s: %j breaks %j", (field, value, expected) => {
    expect(broken(AnysSchema, field, value)).toEqual(expected);
  });

  test.each<[title: string, field: string, value: unknown, expected: string[]]>([
    ["a message without a fault", "plain", leaf("x"), []],
    ["a message with one", "plain", leaf(""), ["[fixtures.Leaf].name string.min_len"]],
    ["one in a list", "list", [leaf("x"), leaf("")], ["[1][fixtures.Leaf].name string.min_len"]],
    ["skip", "skip", leaf(""), []],
    ["a type that nobody knows", "plain", { typeUrl: "type.googleapis.com/some.Type", value: Uint8Array.of(1) }, []],
    ["no type", "plain", {}, []],
    ["no name", "plain", { typeUrl: "type.googleapis.com/" }, []],
    ["bytes that are no message", "plain", { typeUrl: "a/fixtures.Leaf", value: Uint8Array.of(10, 99) }, ["any"]],
    ["a Struct", "plain", anyPack(StructSchema, create(StructSchema)), []],
  ])("looked into: %s", (_, field, value, expected) => {
    expect(broken(AnysSchema, field, value, looking)).toEqual(expected);
  });

  it("is looked into wherever it is", () => {
    const inner = create(AnysSchema, { required: leaf("x"), other: { name: "x" }, plain: leaf("") });
    const message = create(AnysSchema, { required: anyPack(AnysSchema, inner), other: { name: "x" } });
    expect(brokenIn(AnysSchema, message, looking)).toEqual([
      ["required[fixtures.Anys].plain[fixtures.Leaf].name", "string.min_len"],
    ]);
  });

  it("never makes the validator throw, whatever its bytes", () => {
    const name = fc.constantFrom(
      "fixtures.Leaf",
      "fixtures.Recursive",
      "fixtures.Anys",
      "google.protobuf.Struct",
      "x",
      "",
    );
    fc.assert(
      fc.property(name, fc.uint8Array({ maxLength: 40 }), (typeName, value) => {
        const message = create(AnysSchema, { plain: { typeUrl: `a/${typeName}`, value } });
        expect(looking.validate(AnysSchema, message).ok).toBe(false);
      }),
    );
  });
});
