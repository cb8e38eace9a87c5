// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { Json } from "../../../src/json/json.ts";
import { builtInKinds } from "../../../src/local/kinds/built-in.ts";
import { causeOf, formatFieldPath } from "../../../src/local/schema/field-issue.ts";
import type { Schema } from "../../../src/local/schema/schema.ts";
import { shapeValue } from "../../../src/local/schema/shape.ts";
import { structuralIssues } from "../../../src/local/schema/structural.ts";
import { validateValue } from "../../../src/local/schema/validate.ts";

const problems = (schema: Schema, value: Json): readonly string[] =>
  validateValue(schema, value).map((issue) => `${formatFieldPath(issue.path)}: ${causeOf(issue).message}`);

const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({
  type: "object",
  properties,
  ...more,
});

describe("validation", () => {
  test.each<[string, Schema, Json, readonly string[]]>([
    ["types", object({ a: { type: "string" } }), { a: 1 }, ["a: Invalid type: must be string, not integer"]],
    ["null", { type: "string" }, null, [": Invalid type: must be string, not null"]],
    ["nullable", { type: "string", nullable: true }, null, []],
    ["integers", { type: "integer" }, 1.5, [": Invalid type: must be integer, not number"]],
    ["numbers", { type: "number" }, 1.5, []],
    [
      "int-or-string",
      { "x-kubernetes-int-or-string": true },
      true,
      [": Invalid type: must be integer or string, not boolean"],
    ],
    ["int-or-string text", { "x-kubernetes-int-or-string": true }, "80%", []],
    ["required", object({}, { required: ["a"] }), {}, ["a: Required value: the field is missing"]],
    ["enums", { type: "string", enum: ["x", "y"] }, "z", [': Unsupported value: "z": must be one of "x", "y"']],
    ["patterns", { type: "string", pattern: "^a+$" }, "b", [': Invalid value: "b": must match ^a+$']],
    ["patterns with needless escapes", { type: "string", pattern: "^a\\-b$" }, "a-b", []],
    ["lengths in code points", { type: "string", minLength: 2, maxLength: 2 }, "👍👍", []],
    [
      "short texts",
      { type: "string", minLength: 2 },
      "a",
      [': Invalid value: "a": must be at least 2 characters long'],
    ],
    ["long texts", { type: "string", maxLength: 1 }, "ab", [": Too long: may not be more than 1 characters"]],
    [
      "formats",
      { type: "string", format: "date-time" },
      "yesterday",
      [': Invalid value: "yesterday": must be of format date-time'],
    ],
    ["formats that nobody checks", { type: "string", format: "moon-phase" }, "full", []],
    [
      "ranges of formats",
      { type: "integer", format: "int32" },
      2 ** 31,
      [": Invalid value: 2147483648: does not fit int32"],
    ],
    [
      "bounds",
      { type: "integer", minimum: 1, maximum: 3 },
      0,
      [": Invalid value: 0: must be greater than or equal to 1"],
    ],
    [
      "exclusive bounds",
      { type: "number", maximum: 3, exclusiveMaximum: true },
      3,
      [": Invalid value: 3: must be less than 3"],
    ],
    ["multiples", { type: "integer", multipleOf: 5 }, 7, [": Invalid value: 7: must be a multiple of 5"]],
    [
      "items",
      { type: "array", items: { type: "string" } },
      ["a", 1],
      ["[1]: Invalid type: must be string, not integer"],
    ],
    ["few items", { type: "array", minItems: 1 }, [], [": Invalid value: must have at least 1 items"]],
    ["many items", { type: "array", maxItems: 1 }, [1, 2], [": Too many: 2: must have at most 1 items"]],
    ["unique items", { type: "array", uniqueItems: true }, [1, 1], ["[1]: Duplicate value: 1"]],
    ["sets", { type: "array", "x-kubernetes-list-type": "set" }, ["a", "a"], ['[1]: Duplicate value: "a"']],
    [
      "free keys",
      { type: "object", additionalProperties: { type: "integer" } },
      { "a/b": "x" },
      ["[a/b]: Invalid type: must be integer, not string"],
    ],
    [
      "numbers of fields",
      { type: "object", minProperties: 1, maxProperties: 1 },
      {},
      [": Invalid value: must have at least 1 fields"],
    ],
    [
      "allOf",
      { allOf: [{ type: "string" }, { type: "string", minLength: 2 }] },
      "a",
      [': Invalid value: "a": must be at least 2 characters long'],
    ],
    [
      "anyOf",
      { anyOf: [{ type: "string" }, { type: "integer" }] },
      true,
      [": Invalid value: must match at least one of the schema's alternatives (anyOf)"],
    ],
    [
      "oneOf",
      { oneOf: [{ type: "integer" }, { type: "number" }] },
      1,
      [": Invalid value: must match exactly one of the schema's alternatives (oneOf)"],
    ],
    ["not", { not: { type: "string" } }, "a", [": Invalid value: matches what the schema excludes (not)"]],
  ])("%s", (_what, schema, value, expected) => {
    expect(problems(schema, value)).toEqual(expected);
  });

  it("uses defaults for key fields of lists", () => {
    const list: Schema = {
      type: "array",
      items: object({ port: { type: "integer" }, protocol: { type: "string", default: "TCP" } }),
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["port", "protocol"],
    };
    expect(problems(list, [{ port: 1 }, { port: 1, protocol: "UDP" }])).toEqual([]);
    expect(problems(list, [{ port: 1 }, { port: 1, protocol: "TCP" }])).toHaveLength(1);
  });

  it("bounds what it reports", () => {
    const many = Array.from({ length: 1000 }, () => "x");
    expect(problems({ type: "array", items: { type: "integer" } }, many)).toHaveLength(50);
  });

  it("takes any JSON under any built-in schema", () => {
    const schemas = builtInKinds.map(({ versions }) => versions[0].schema);
    const value = fc.dictionary(fc.constantFrom("metadata", "spec", "status", "data", "apiVersion"), fc.jsonValue());
    const property = fc.property(fc.constantFrom(...schemas), value, (schema, json) => {
      const { value: shaped } = shapeValue(schema, json);
      return validateValue(schema, shaped).length <= 50;
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("shaping", () => {
  const schema = object({
    kept: { type: "string" },
    defaulted: { type: "string", default: "d" },
    nested: object({ inner: { type: "integer", default: 7 } }),
    nullable: { type: "string", nullable: true },
    free: {
      type: "object",
      "x-kubernetes-preserve-unknown-fields": true,
      properties: { typed: object({ a: { type: "string" } }) },
    },
    list: { type: "array", items: object({ name: { type: "string" } }) },
  });

  it("drops and reports what is unknown, fills in defaults, drops nulls", () => {
    const { value, unknown } = shapeValue(schema, {
      kept: "k",
      typo: 1,
      nested: { inner: null, other: 1 },
      nullable: null,
      free: { anything: [1], typed: { a: "x", b: "y" } },
      list: [{ name: "a", extra: {} }],
    });
    expect(value).toEqual({
      kept: "k",
      defaulted: "d",
      nested: { inner: 7 },
      nullable: null,
      free: { anything: [1], typed: { a: "x" } },
      list: [{ name: "a" }],
    });
    expect(unknown.map(formatFieldPath)).toEqual(["typo", "nested.other", "free.typed.b", "list[0].extra"]);
  });

  it("leaves defaults out where asked, and wrong types to validation", () => {
    expect(shapeValue(schema, { nested: "text" }, false).value).toEqual({ nested: "text" });
    expect(shapeValue(schema, {}).value).toEqual({ defaulted: "d" });
  });
});

describe("structural schemas", () => {
  test.each<[string, Json, string]>([
    ["no object", { type: "string" }, "type"],
    ["an untyped field", { type: "object", properties: { a: {} } }, "properties.a.type"],
    ["an unknown type", { type: "object", properties: { a: { type: "text" } } }, "properties.a.type"],
    ["a list without items", { type: "object", properties: { a: { type: "array" } } }, "properties.a.items"],
    [
      "a keyed list without keys",
      {
        type: "object",
        properties: { a: { type: "array", items: { type: "object" }, "x-kubernetes-list-type": "map" } },
      },
      "properties.a.x-kubernetes-list-map-keys",
    ],
    [
      "a broken pattern",
      { type: "object", properties: { a: { type: "string", pattern: "(" } } },
      "properties.a.pattern",
    ],
    ["a schema that is none", { type: "object", properties: { a: 5 } }, "properties.a"],
    ["properties that are none", { type: "object", properties: [] }, "properties"],
    ["conditions that are no list", { type: "object", anyOf: {} }, "anyOf"],
    [
      "a bound that is none",
      { type: "object", properties: { a: { type: "string", maxLength: "5" } } },
      "properties.a.maxLength",
    ],
  ])("are not %s", (_what, schema, field) => {
    expect(structuralIssues(schema, []).map(({ path }) => formatFieldPath(path))).toContain(field);
  });

  it("may leave types out of conditions and of free fields", () => {
    const schema = {
      type: "object",
      properties: {
        a: { "x-kubernetes-int-or-string": true, anyOf: [{ type: "integer" }, { pattern: "^x" }] },
        b: { "x-kubernetes-preserve-unknown-fields": true },
      },
      oneOf: [{ required: ["a"] }, { not: { required: ["b"] } }],
    };
    expect(structuralIssues(schema, [])).toEqual([]);
  });

  it("are what the built-in kinds have", () => {
    for (const { kind, versions } of builtInKinds)
      expect([kind, structuralIssues(versions[0].schema as Json, [])]).toEqual([kind, []]);
  });

  it("are told from anything else without failing", () => {
    const property = fc.property(fc.jsonValue(), (value) => structuralIssues(value, []).length <= 20);
    expect(fc.check(property).counterexample).toBeNull();
  });
});
