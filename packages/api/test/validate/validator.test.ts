// SPDX-License-Identifier: Apache-2.0
import { create, createRegistry } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { type MeshError, isMeshError } from "@ambientmesh/core";
import { describe, expect, it, test } from "vitest";
import { apiErrors } from "../../src/errors.ts";
import * as fixtures from "../fixtures/gen/fixtures/rules_pb.ts";
import { createValidator, validationError } from "../../src/validate/index.ts";
import { brokenIn } from "./judge.ts";

const { AnysSchema, LeafSchema, ListsSchema, RecursiveSchema, SecretsSchema, StringsSchema } = fixtures;

describe("a violation", () => {
  it("says where, what, and what was wanted", () => {
    const message = create(RecursiveSchema, { name: "a", children: [{ name: "b" }, { child: {} }] });
    expect(createValidator().validate(RecursiveSchema, message)).toEqual({
      ok: false,
      violations: [
        {
          path: "children[1].name",
          rule: "string.min_len",
          value: '""',
          message: "must have at least 1 character",
        },
        {
          path: "children[1].child.name",
          rule: "string.min_len",
          value: '""',
          message: "must have at least 1 character",
        },
      ],
    });
  });

  it("holds a bounded part of the value, and of a key", () => {
    const registry = createRegistry(LeafSchema);
    const key = `"${"k".repeat(100)}`;
    const shown = (schema: Parameters<typeof brokenIn>[0], message: object): string[][] => {
      const result = createValidator({ registry }).validate(schema, message as ReturnType<typeof create>);
      return result.ok ? [] : result.violations.map(({ path, value }) => [path, value]);
    };
    expect(shown(StringsSchema, create(StringsSchema, { maxLen: "x".repeat(100) }))).toContainEqual([
      "max_len",
      `"${"x".repeat(64)}"… and 36 characters`,
    ]);
    expect(shown(fixtures.BlobsSchema, create(fixtures.BlobsSchema, { maxLen: new Uint8Array(33) }))).toContainEqual([
      "max_len",
      `0x${"00".repeat(32)}… and 1 byte`,
    ]);
    expect(shown(fixtures.MapsSchema, create(fixtures.MapsSchema, { values: { [key]: "" } }))).toContainEqual([
      `values["\\"${"k".repeat(63)}"]`,
      '""',
    ]);
    const plain = { typeUrl: `${"u".repeat(1000)}/fixtures.Leaf`, value: Uint8Array.of(10) };
    expect(shown(AnysSchema, create(AnysSchema, { plain }))).toContainEqual(["plain", "0x0a"]);
  });

  it("names enums and counts what is in lists and maps", () => {
    const values = [
      createValidator().validate(fixtures.EnumsSchema, create(fixtures.EnumsSchema, { const: 1, in: 9 as 1 })),
      createValidator().validate(ListsSchema, create(ListsSchema, { maxItems: [1, 2, 3], minItems: [1] })),
    ].flatMap((result) => (result.ok ? [] : result.violations.map(({ rule, value }) => `${rule} ${value}`)));
    expect(values).toEqual([
      "enum.const COLOUR_RED",
      "enum.in 9",
      "enum.not_in COLOUR_UNSPECIFIED",
      "repeated.min_items 1 item",
      "repeated.max_items 3 items",
    ]);
  });

  it("shows nothing of what the .proto file calls sensitive, nor of what is in it", () => {
    const nested = { children: [{ name: "" }], name: "x" };
    const message = create(SecretsSchema, { token: "hush", password: "hush", nested, headers: { auth: "hush" } });
    const result = createValidator().validate(SecretsSchema, message);
    expect(result.ok || result.violations.map(({ path, value }) => [path, value])).toEqual([
      ["token", "(sensitive)"],
      ["password", "(sensitive)"],
      ["nested.children[0].name", "(sensitive)"],
      ['headers["auth"]', "(sensitive)"],
    ]);
    expect(JSON.stringify(result)).not.toContain("hush");
  });
});

describe("limits", () => {
  it("end a validation after so many violations", () => {
    const message = create(ListsSchema, {
      minItems: [1, 2],
      items: Array.from({ length: 1000 }, () => ""),
      messages: Array.from({ length: 1000 }, () => ({})),
    });
    const count = (maxViolations?: number): number =>
      brokenIn(ListsSchema, message, createValidator(maxViolations === undefined ? {} : { maxViolations })).length;
    expect([count(0), count(1), count(7), count()]).toEqual([1, 1, 7, 100]);
  });

  it("refuse messages that are nested deeper, cyclic ones included", () => {
    const validator = createValidator({ maxDepth: 2 });
    const deep = create(RecursiveSchema, { name: "a", child: { name: "b", child: { name: "c" } } });
    expect(brokenIn(RecursiveSchema, deep, validator)).toEqual([]);
    const deeper = create(RecursiveSchema, { name: "0", children: [deep] });
    expect(brokenIn(RecursiveSchema, deeper, validator)).toEqual([["children[0].child.child", "depth"]]);
    deep.child = deep;
    expect(brokenIn(RecursiveSchema, deep)).toEqual([[`${"child.".repeat(100)}child`, "depth"]]);
  });

  it("hold for messages in an Any too", () => {
    const validator = createValidator({ maxDepth: 2, registry: createRegistry(AnysSchema, LeafSchema) });
    const leaf = anyPack(LeafSchema, create(LeafSchema));
    const packed = anyPack(AnysSchema, create(AnysSchema, { required: leaf, other: { name: "x" } }));
    const message = create(AnysSchema, { required: packed, other: { name: "x" } });
    expect(brokenIn(AnysSchema, message, validator)).toEqual([
      ["required[fixtures.Anys].required", "depth"],
      ["required[fixtures.Anys].other", "depth"],
    ]);
  });
});

describe("rules that can't be evaluated", () => {
  test.each([
    [fixtures.WrongKindSchema, "string", "is not for values of the kind int32"],
    [fixtures.WrongPatternSchema, "string.pattern", "(?=a) is not a regular expression: RE2 has no such group"],
    [fixtures.WrongBytesPatternSchema, "bytes.pattern", "a** is not a regular expression: a repetition is repeated"],
    [fixtures.TwoUpperBoundsSchema, "int32.lt", "can't stand beside lte"],
    [fixtures.TwoLowerBoundsSchema, "duration.gt", "can't stand beside gte"],
    [fixtures.EqualBoundsSchema, "int32.lte", "has the limit of gte"],
    [fixtures.UniqueMessagesSchema, "repeated.unique", "is not for messages"],
    [fixtures.UniqueWrappersSchema, "repeated.unique", "is not for messages"],
    [fixtures.SparseScalarsSchema, "map.no_sparse", "is not for maps without messages"],
    [fixtures.SingularRuleOnListSchema, "string", "is not for repeated fields"],
    [fixtures.SingularRuleOnMapSchema, "string", "is not for maps"],
    [fixtures.ListRuleOnSingularSchema, "repeated", "is not for values of the kind string"],
    [fixtures.MessageRuleOnScalarSchema, "message", "is not for fields that hold no single message"],
    [fixtures.MessageRuleOnListSchema, "message", "is not for fields that hold no single message"],
    [fixtures.WithinNothingSchema, "timestamp.within", "is not a positive duration"],
    [fixtures.PastAndFutureSchema, "timestamp.lt_now", "can't stand beside gt_now"],
    [fixtures.AnyListOnMessageSchema, "any", "is not for values of the kind message"],
  ])("%o: %s %s", (schema, rule, reason) => {
    const field = `${schema.typeName}.field`;
    expect(() => createValidator().validate(schema, create(schema))).toThrow(
      expect.objectContaining({
        code: "API_VALIDATION_UNSUPPORTED",
        message: `${field}: its rule ${rule} ${reason}`,
        details: { field, rule, reason },
      }),
    );
  });

  it("are found in all types that a type uses, each time, and before any message is judged", () => {
    const validator = createValidator();
    const judge = () => validator.validate(fixtures.UsesWrongKindSchema, create(fixtures.UsesWrongKindSchema));
    expect(judge).toThrow("fixtures.WrongKind.field");
    expect(judge).toThrow("fixtures.WrongKind.field");
    expect(validator.validate(RecursiveSchema, create(RecursiveSchema)).ok).toBe(false);
  });

  it("are found in an Any when its message is looked at", () => {
    const schema = fixtures.WrongKindSchema;
    const message = create(AnysSchema, { required: anyPack(schema, create(schema)), other: { name: "x" } });
    expect(createValidator().validate(AnysSchema, message).ok).toBe(true);
    expect(() => createValidator({ registry: createRegistry(schema) }).validate(AnysSchema, message)).toThrow(
      "fixtures.WrongKind.field",
    );
  });
});

describe("the error for a message that is not valid", () => {
  const message = create(ListsSchema, { items: ["", "", "", ""] });
  const result = createValidator().validate(ListsSchema, message);
  const violations = result.ok ? [] : result.violations;

  it("names type, resource, paths, rules and values, and holds all violations", () => {
    const error = validationError(ListsSchema, violations, "my list");
    expect(error.message).toBe(
      'fixtures.Lists "my list" is not valid: min_items must have at least 2 items (repeated.min_items, is 0 items); ' +
        'items[0] must have at least 2 characters (string.min_len, is ""); ' +
        'items[1] must have at least 2 characters (string.min_len, is ""); 2 more',
    );
    expect(error.details).toEqual({ type: "fixtures.Lists", name: "my list", violations });
    expect(error.toJSON()).toEqual({ code: error.code, message: error.message, details: error.details });
    expect(validationError(ListsSchema, violations.slice(0, 1)).message).toBe(
      "fixtures.Lists is not valid: min_items must have at least 2 items (repeated.min_items, is 0 items)",
    );
  });

  it("is a MeshError to everybody else", () => {
    const error: MeshError = validationError(ListsSchema, violations);
    expect(isMeshError(error, "API_VALIDATION_FAILED")).toBe(true);
    expect(apiErrors.is(error)).toBe(true);
    expect(apiErrors.is(error, "API_VALIDATION_UNSUPPORTED")).toBe(false);
    expect(apiErrors.is(new Error("x"))).toBe(false);
    const cause = new Error("y");
    expect(apiErrors.create("API_VALIDATION_FAILED", "x", { cause }).cause).toBe(cause);
  });
});
