// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { BlobsSchema, EnumsSchema } from "../fixtures/gen/fixtures/rules_pb.ts";
import { broken } from "./judge.ts";

const text = (value: string): number[] => [...new TextEncoder().encode(value)];

test.each<[field: string, value: number[], expected: string[]]>([
  ["const", [0, 255], []],
  ["const", [0], ["bytes.const"]],
  ["len", [1, 2], []],
  ["len", [1], ["bytes.len"]],
  ["min_len", [1, 2], []],
  ["min_len", [1], ["bytes.min_len"]],
  ["max_len", [1, 2], []],
  ["max_len", [1, 2, 3], ["bytes.max_len"]],
  ["pattern", text("abc"), []],
  ["pattern", [], []],
  ["pattern", text("ABC"), ["bytes.pattern"]],
  ["pattern", [0x61, 0xff], ["bytes.pattern"]],
  ["prefix", [1, 2, 3], []],
  ["prefix", [1], ["bytes.prefix"]],
  ["suffix", [3, 1, 2], []],
  ["suffix", [2], ["bytes.suffix"]],
  ["suffix", [1, 2, 3], ["bytes.suffix"]],
  ["contains", [3, 1, 2, 3], []],
  ["contains", [1, 3, 2], ["bytes.contains"]],
  ["in", [2], []],
  ["in", [3], ["bytes.in"]],
  ["not_in", [3], []],
  ["not_in", [2], ["bytes.not_in"]],
  ["ip", [1, 2, 3, 4], []],
  ["ip", Array.from({ length: 16 }, () => 0), []],
  ["ip", [1, 2, 3], ["bytes.ip"]],
  ["ipv4", [1, 2, 3, 4], []],
  ["ipv4", Array.from({ length: 16 }, () => 0), ["bytes.ipv4"]],
  ["ipv6", Array.from({ length: 16 }, () => 0), []],
  ["ipv6", [1, 2, 3, 4], ["bytes.ipv6"]],
  ["ignoring", [], []],
  ["ignoring", [1], ["bytes.min_len"]],
  ["not_ip", [1], []],
])("Blobs.%s: %j breaks %j", (field, value, expected) => {
  expect(broken(BlobsSchema, field, Uint8Array.from(value))).toEqual(expected);
});

test.each<[field: string, value: number, expected: string[]]>([
  ["const", 2, []],
  ["const", 1, ["enum.const"]],
  ["defined_only", 0, []],
  ["defined_only", 2, []],
  ["defined_only", 3, ["enum.defined_only"]],
  ["defined_only", -1, ["enum.defined_only"]],
  ["in", 1, []],
  ["in", 0, ["enum.in"]],
  ["in", 3, ["enum.in"]],
  ["not_in", 2, []],
  ["not_in", 3, []],
  ["not_in", 1, ["enum.not_in"]],
])("Enums.%s: %d breaks %j", (field, value, expected) => {
  expect(broken(EnumsSchema, field, value)).toEqual(expected);
});
