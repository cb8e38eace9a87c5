// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { BoolsSchema, NumberRulesSchema, NumbersSchema } from "../fixtures/gen/fixtures/rules_pb.ts";
import { createValidator } from "../../src/validate/index.ts";
import { type RulesInit, broken, brokenIn, typeWith } from "./judge.ts";

describe.each(NumbersSchema.fields.map(({ name }) => name))("%s", (kind) => {
  const make = (value: number): number | bigint => (kind.endsWith("64") ? BigInt(value) : value);

  test.each([
    [2, []],
    [10, []],
    [1, [`${kind}.gt`]],
    [0, [`${kind}.gt`]],
    [11, [`${kind}.lte`]],
    [5, [`${kind}.not_in`]],
  ])("%d breaks %j", (value, expected) => {
    expect(broken(NumbersSchema, kind, make(value))).toEqual(expected);
  });
});

test.each<[field: string, value: number | string | bigint, expected: string[]]>([
  ["const", 7, []],
  ["const", 8, ["int32.const"]],
  ["lt", 6, []],
  ["lt", 7, ["int32.lt"]],
  ["lte", 7, []],
  ["lte", 8, ["int32.lte"]],
  ["gt", 8, []],
  ["gt", 7, ["int32.gt"]],
  ["gte", 7, []],
  ["gte", 6, ["int32.gte"]],
  ["in", 2, []],
  ["in", 3, ["int32.in"]],
  ["not_in", 3, []],
  ["not_in", 2, ["int32.not_in"]],
  ["between_open", 2, []],
  ["between_open", 4, []],
  ["between_open", 1, ["int32.gt"]],
  ["between_open", 5, ["int32.lt"]],
  ["between_closed", 1, []],
  ["between_closed", 5, []],
  ["between_closed", 0, ["int32.gte"]],
  ["between_closed", 6, ["int32.lte"]],
  ["outside_open", 0, []],
  ["outside_open", 6, []],
  ["outside_open", 1, ["int32.lt_or_gt"]],
  ["outside_open", 5, ["int32.lt_or_gt"]],
  ["outside_closed", 1, []],
  ["outside_closed", 5, []],
  ["outside_closed", 2, ["int32.lte_or_gte"]],
  ["outside_closed", 4, ["int32.lte_or_gte"]],
  ["outside_left", 1, []],
  ["outside_left", 6, []],
  ["outside_left", 5, ["int32.lte_or_gt"]],
  ["ignoring", 0, []],
  ["ignoring", 5, []],
  ["ignoring", 4, ["int32.gte"]],
  ["text", "0", []],
  ["text", "5", []],
  ["text", "4", ["int64.gte"]],
  ["text", "6", ["int64.not_in"]],
  ["text", "9007199254740992", []],
  ["text", "9007199254740993", ["int64.lt"]],
  ["huge", 18446744073709551615n, []],
  ["huge", 18446744073709551614n, ["uint64.gt"]],
])("NumberRules.%s: %o breaks %j", (field, value, expected) => {
  expect(broken(NumberRulesSchema, field, value)).toEqual(expected);
});

describe("floating point", () => {
  it("is compared as the 32 bits that a float has on the wire", () => {
    expect(broken(NumberRulesSchema, "tenth", 0.1)).toEqual([]);
    expect(broken(NumberRulesSchema, "tenth", Math.fround(0.1))).toEqual([]);
    expect(broken(NumberRulesSchema, "tenth", 0.100001)).toEqual(["float.const"]);
  });

  it("lets NaN into no range", () => {
    expect(broken(NumberRulesSchema, "not_negative", Number.NaN)).toEqual(["double.gte"]);
    expect(broken(NumberRulesSchema, "outside", Number.NaN)).toEqual(["double.lt_or_gt"]);
  });

  it("takes infinities and negative zero as numbers", () => {
    expect(broken(NumberRulesSchema, "not_negative", Number.POSITIVE_INFINITY)).toEqual([]);
    expect(broken(NumberRulesSchema, "not_negative", Number.NEGATIVE_INFINITY)).toEqual(["double.gte"]);
    expect(broken(NumberRulesSchema, "not_negative", -0)).toEqual([]);
  });
});

test.each([
  ["yes", true, []],
  ["yes", false, ["bool.const"]],
  ["no", false, []],
  ["no", true, ["bool.const"]],
])("Bools.%s: %o breaks %j", (field, value, expected) => {
  expect(broken(BoolsSchema, field, value)).toEqual(expected);
});

describe("any range of any kind", () => {
  const lower = fc.constantFrom("gt", "gte");
  const upper = fc.constantFrom("lt", "lte");
  const holds = {
    gt: (value: number, limit: number) => value > limit,
    gte: (value: number, limit: number) => value >= limit,
    lt: (value: number, limit: number) => value < limit,
    lte: (value: number, limit: number) => value <= limit,
  };
  const small = fc.integer({ min: -20, max: 20 });

  it("is inside when the limits are in order and outside when they are not", () => {
    const kind = fc.constantFrom(
      { name: "int32", type: Type.INT32, make: Number },
      { name: "sint64", type: Type.SINT64, make: BigInt },
      { name: "double", type: Type.DOUBLE, make: Number },
    );
    fc.assert(
      fc.property(kind, fc.tuple(lower, upper), fc.tuple(small, small, small), (chosen, [low, high], numbers) => {
        const { name, type, make } = chosen;
        const [from, to, value] = numbers;
        fc.pre(from !== to);
        const rules = { type: { case: name, value: { [low]: make(from), [high]: make(to) } } };
        const isAbove = holds[low](value, from);
        const isBelow = holds[high](value, to);
        const isRight = from < to ? isAbove && isBelow : isAbove || isBelow;
        const schema = typeWith(type, rules);
        const message = create(schema, { value: make(value) });
        expect(createValidator().validate(schema, message).ok).toBe(isRight);
      }),
    );
  });

  it("is one-sided with one limit", () => {
    fc.assert(
      fc.property(fc.constantFrom("lt", "lte", "gt", "gte"), small, small, (rule, limit, value) => {
        const schema = typeWith(Type.INT32, { type: { case: "int32", value: { [rule]: limit } } });
        const expected = holds[rule](value, limit) ? [] : [["value", `int32.${rule}`]];
        expect(brokenIn(schema, create(schema, { value }))).toEqual(expected);
      }),
    );
  });
});

it("in and not_in agree with a list of the values", () => {
  const values = fc.array(fc.bigInt({ min: -3n, max: 3n }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(values, fc.bigInt({ min: -3n, max: 3n }), fc.boolean(), (list, value, isIn) => {
      const rules: RulesInit = { type: { case: "int64", value: isIn ? { in: list } : { notIn: list } } };
      const schema = typeWith(Type.INT64, rules);
      const message = create(schema, { value });
      expect(createValidator().validate(schema, message).ok).toBe(list.includes(value) === isIn);
    }),
  );
});
