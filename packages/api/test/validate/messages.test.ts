// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { StringValueSchema, UInt32ValueSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, it, test } from "vitest";
import { PresenceSchema as Proto2PresenceSchema } from "../fixtures/gen/fixtures/presence_pb.ts";
import {
  MessagesSchema,
  OneofsSchema,
  PresenceSchema,
  RecursiveSchema,
  WrappersSchema,
} from "../fixtures/gen/fixtures/rules_pb.ts";
import { broken, brokenIn } from "./judge.ts";

test.each<[field: string, value: unknown, expected: string[]]>([
  ["plain", undefined, []],
  ["plain", { name: "x" }, []],
  ["plain", {}, [".name string.min_len"]],
  ["required", { name: "x" }, []],
  ["required", undefined, ["message.required"]],
  ["required", {}, [".name string.min_len"]],
  ["skip", {}, []],
  ["disabled", {}, []],
  ["ignored", {}, []],
  ["struct", {}, []],
  ["struct", { a: { b: [1, null] } }, []],
  ["struct", undefined, ["message.required"]],
  ["value", { kind: { case: "structValue", value: { fields: {} } } }, []],
])("Messages.%s: %j breaks %j", (field, value, expected) => {
  expect(broken(MessagesSchema, field, value)).toEqual(expected);
});

it("recursive messages are checked all the way down", () => {
  const message = { name: "a", child: { name: "b", child: {} }, children: [{ name: "c" }, { child: { name: "d" } }] };
  expect(brokenIn(RecursiveSchema, create(RecursiveSchema, message))).toEqual([
    ["child.child.name", "string.min_len"],
    ["children[1].name", "string.min_len"],
  ]);
});

describe("a oneof", () => {
  test.each<[chosen: object, expected: string[][]]>([
    [{ case: undefined }, [["required", "oneof.required"]]],
    [{ case: "text", value: "ab" }, []],
    [{ case: "text", value: "" }, [["text", "string.min_len"]]],
    [{ case: "leaf", value: { name: "x" } }, []],
    [{ case: "leaf", value: {} }, [["leaf.name", "string.min_len"]]],
    [{ case: "wrapped", value: { value: 1 } }, []],
    [{ case: "wrapped", value: {} }, [["wrapped", "uint32.gt"]]],
    [{ case: "duration", value: { nanos: 1 } }, []],
    [{ case: "duration", value: {} }, [["duration", "duration.gt"]]],
    [{ case: "number", value: 1 }, []],
    [{ case: "number", value: 0 }, [["number", "uint32.gt"]]],
  ])("with %j breaks %j", (required, expected) => {
    const message = create(OneofsSchema, { required } as object);
    expect(brokenIn(OneofsSchema, message)).toEqual(expected);
    expect(brokenIn(OneofsSchema, fromBinary(OneofsSchema, toBinary(OneofsSchema, message)))).toEqual(expected);
  });

  it("that is not required may be empty", () => {
    const required = { case: "number", value: 1 } as const;
    expect(brokenIn(OneofsSchema, create(OneofsSchema, { required, free: { case: "other", value: "a" } }))).toEqual([
      ["other", "string.min_len"],
    ]);
  });
});

test.each<[field: string, value: unknown, expected: string[]]>([
  ["double", 0.5, []],
  ["double", 0, ["double.gt"]],
  ["float", 0, ["float.gt"]],
  ["int64", 0n, ["int64.gt"]],
  ["int64", 1n, []],
  ["uint64", 0n, ["uint64.gt"]],
  ["int32", 0, ["int32.gt"]],
  ["uint32", undefined, []],
  ["uint32", 0, ["uint32.gt"]],
  ["bool", false, ["bool.const"]],
  ["bool", true, []],
  ["string", "", ["string.min_len"]],
  ["bytes", new Uint8Array(), ["bytes.min_len"]],
  ["bytes", Uint8Array.of(1), []],
  ["required", undefined, ["message.required"]],
  ["required", 0, ["uint32.gt"]],
  ["required", 1, []],
  ["list", [create(UInt32ValueSchema, { value: 1 })], []],
  ["list", [create(UInt32ValueSchema, { value: 1 }), create(UInt32ValueSchema)], ["[1] uint32.gt"]],
])("Wrappers.%s: %o breaks %j", (field, value, expected) => {
  expect(broken(WrappersSchema, field, value)).toEqual(expected);
});

it("a wrapper alone has no rules", () => {
  expect(brokenIn(StringValueSchema, create(StringValueSchema))).toEqual([]);
});

describe("presence", () => {
  it("matters for optional fields only", () => {
    expect(brokenIn(PresenceSchema, create(PresenceSchema))).toEqual([["implicit", "string.min_len"]]);
    expect(brokenIn(PresenceSchema, create(PresenceSchema, { implicit: "x", explicit: "", colour: 0 }))).toEqual([
      ["explicit", "string.min_len"],
      ["colour", "enum.not_in"],
    ]);
  });

  it("in proto2 is of all fields: defaults are not checked, required fields have to be there", () => {
    expect(brokenIn(Proto2PresenceSchema, create(Proto2PresenceSchema))).toEqual([["required", "field.required"]]);
    const message = create(Proto2PresenceSchema, { required: "", optional: "y", number: 0, list: [1, 0] });
    expect(brokenIn(Proto2PresenceSchema, message)).toEqual([
      ["required", "string.min_len"],
      ["optional", "string.min_len"],
      ["number", "int32.gt"],
      ["list[1]", "int32.gt"],
    ]);
  });
});
