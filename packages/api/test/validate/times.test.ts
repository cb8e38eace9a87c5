// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { expect, it, test } from "vitest";
import { DurationsSchema, TimestampsSchema } from "../fixtures/gen/fixtures/rules_pb.ts";
import { createValidator } from "../../src/validate/index.ts";
import { broken } from "./judge.ts";

const seconds = (value: number, nanos = 0) => ({ seconds: BigInt(value), nanos });

test.each<[field: string, value: ReturnType<typeof seconds> | undefined, expected: string[]]>([
  ["required", seconds(0), []],
  ["required", undefined, ["duration.required"]],
  ["const", seconds(1, 500_000_000), []],
  ["const", seconds(1), ["duration.const"]],
  ["const", undefined, []],
  ["lt", seconds(0, 999_999_999), []],
  ["lt", seconds(1), ["duration.lt"]],
  ["lte", seconds(1), []],
  ["lte", seconds(1, 1), ["duration.lte"]],
  ["gt", seconds(0, 1), []],
  ["gt", seconds(0), ["duration.gt"]],
  ["gt", seconds(-1), ["duration.gt"]],
  ["gte", seconds(0, 1_000_000), []],
  ["gte", seconds(0, 999_999), ["duration.gte"]],
  ["in", seconds(2), []],
  ["in", seconds(3), ["duration.in"]],
  ["not_in", seconds(2), []],
  ["not_in", seconds(1), ["duration.not_in"]],
  ["between", seconds(2), []],
  ["between", seconds(1), ["duration.gt"]],
  ["between", seconds(5), ["duration.lt"]],
  ["outside", seconds(0), []],
  ["outside", seconds(6), []],
  ["outside", seconds(3), ["duration.lt_or_gt"]],
  // google/protobuf/duration.proto: ±10,000 years, nanos below a second and of the sign of the seconds.
  ["gt", seconds(315_576_000_000), []],
  ["gt", seconds(315_576_000_001), ["duration"]],
  ["gt", seconds(0, 1_000_000_000), ["duration"]],
  ["gt", seconds(1, -1), ["duration"]],
  ["lt", seconds(-1, 1), ["duration"]],
])("Durations.%s: %o breaks %j", (field, value, expected) => {
  expect(broken(DurationsSchema, field, value)).toEqual(expected);
});

const NOW = 2000;
const validator = createValidator({ now: () => NOW * 1000 });

test.each<[field: string, value: ReturnType<typeof seconds> | undefined, expected: string[]]>([
  ["required", seconds(0), []],
  ["required", undefined, ["timestamp.required"]],
  ["const", seconds(1000), []],
  ["const", seconds(1000, 1), ["timestamp.const"]],
  ["lt", seconds(999), []],
  ["lt", seconds(1000), ["timestamp.lt"]],
  ["lte", seconds(1000), []],
  ["lte", seconds(1000, 1), ["timestamp.lte"]],
  ["gt", seconds(1000, 1), []],
  ["gt", seconds(1000), ["timestamp.gt"]],
  ["gte", seconds(1000), []],
  ["gte", seconds(999), ["timestamp.gte"]],
  ["lt_now", seconds(NOW - 1), []],
  ["lt_now", seconds(NOW), ["timestamp.lt_now"]],
  ["lt_now", undefined, []],
  ["gt_now", seconds(NOW, 1), []],
  ["gt_now", seconds(NOW), ["timestamp.gt_now"]],
  ["within", seconds(NOW - 10), []],
  ["within", seconds(NOW + 10), []],
  ["within", seconds(NOW + 10, 1), ["timestamp.within"]],
  ["within", seconds(NOW - 11, 999_999_999), ["timestamp.within"]],
  ["lt_now_within", seconds(NOW - 10), []],
  ["lt_now_within", seconds(NOW + 1), ["timestamp.lt_now"]],
  ["lt_now_within", seconds(NOW - 11), ["timestamp.within"]],
  // google/protobuf/timestamp.proto: the years 1 to 9999, nanos counted forwards.
  ["lt", seconds(-62_135_596_800), []],
  ["lt", seconds(-62_135_596_801), ["timestamp"]],
  ["gt", seconds(253_402_300_799, 999_999_999), []],
  ["gt", seconds(253_402_300_800), ["timestamp"]],
  ["gt", seconds(2000, -1), ["timestamp"]],
])("Timestamps.%s: %o breaks %j", (field, value, expected) => {
  expect(broken(TimestampsSchema, field, value, validator)).toEqual(expected);
});

it("asks the clock at each validation", () => {
  let now = 0;
  const moving = createValidator({ now: () => now });
  const message = create(TimestampsSchema, { required: {}, ltNow: seconds(1) });
  expect(moving.validate(TimestampsSchema, message).ok).toBe(false);
  now = 1001;
  expect(moving.validate(TimestampsSchema, message)).toEqual({ ok: true });
});

it("shows durations and timestamps as JSON does", () => {
  const durations = [seconds(-1, -500_000_000), seconds(90), seconds(0, 1)];
  const shown = durations.map((value) => {
    const result = createValidator().validate(DurationsSchema, create(DurationsSchema, { required: {}, const: value }));
    return result.ok ? [] : result.violations.map((violation) => violation.value);
  });
  expect(shown).toEqual([["-1.5s"], ["90s"], ["0.000000001s"]]);
  const message = create(TimestampsSchema, { required: {}, const: seconds(0, 5_999_999), lte: seconds(2000, -1) });
  const result = validator.validate(TimestampsSchema, message);
  expect(result.ok || result.violations.map(({ path, rule, value }) => [path, rule, value])).toEqual([
    ["const", "timestamp.const", "1970-01-01T00:00:00.005Z"],
    ["lte", "timestamp", "2000s -1ns since 1970"],
    ["lte", "timestamp.lte", "2000s -1ns since 1970"],
  ]);
});
