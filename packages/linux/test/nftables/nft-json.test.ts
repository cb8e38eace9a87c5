// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { linuxErrors } from "../../src/errors.ts";
import { comparableNftables, parseNftJson } from "../../src/nftables/nft.ts";

function outcome(text: string): boolean {
  try {
    return Array.isArray(parseNftJson(text));
  } catch (error) {
    return linuxErrors.is(error, "LINUX_TOOL_OUTPUT");
  }
}

describe("parseNftJson", () => {
  it("takes what nft writes", () => {
    expect(parseNftJson('{"nftables": [{"table": {"family": "inet", "name": "x"}}]}')).toEqual([
      { table: { family: "inet", name: "x" } },
    ]);
  });

  test.each(["", "{", "null", "{}", '{"nftables": 1}', "[]"])("refuses %j", (text) =>
    expect(() => parseNftJson(text)).toThrow(expect.objectContaining({ code: "LINUX_TOOL_OUTPUT" })),
  );

  it("gives objects or its own error for any text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(outcome(text)).toBe(true);
      }),
    );
  });
});

describe("comparableNftables", () => {
  it("drops handles, counts and the line about nft, at every depth, and nothing else", () => {
    const objects = [
      { metainfo: { version: "1.0.6" } },
      { table: { family: "inet", name: "x", handle: 3 } },
      {
        rule: { chain: "c", handle: 9, expr: [{ counter: { packets: 4, bytes: 200 } }, { redirect: { port: 15001 } }] },
      },
    ];
    expect(comparableNftables(objects)).toEqual([
      { table: { family: "inet", name: "x" } },
      { rule: { chain: "c", expr: [{ counter: {} }, { redirect: { port: 15001 } }] } },
    ]);
  });
});
