// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { deepFreeze, jsonAt, jsonEqual, jsonText, withFields } from "../../src/json/json.ts";
import { jsonHazard, parseForeignJson } from "../../src/json/limits.ts";

describe("JSON", () => {
  test.each([
    [{ a: [1, { b: null }] }, { a: [1, { b: null }] }, true],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
    [{ a: 1 }, { a: 1, b: undefined }, false],
    [[1, 2], [2, 1], false],
    [[], {}, false],
    [{}, null, false],
    [{ toString: 1 }, { valueOf: 1 }, false],
  ])("%j equals %j: %s", (a, b, expected) => expect(jsonEqual(a, b)).toBe(expected));

  it("is read at paths, never from prototypes", () => {
    expect(jsonAt({ a: [{ b: 1 }] }, "a", 0, "b")).toBe(1);
    expect(jsonAt({ a: 1 }, "a", "b")).toBeUndefined();
    expect(jsonAt({}, "toString")).toBeUndefined();
    expect(jsonAt({ a: {} }, "a", 0)).toBeUndefined();
  });

  it("becomes text", () => {
    expect([1, true, null, undefined, { a: 1 }].map((value) => jsonText(value, "-"))).toEqual([
      "1",
      "true",
      "-",
      "-",
      '{"a":1}',
    ]);
  });

  it("drops fields given as undefined", () => {
    expect(Object.keys(withFields({ a: 1, b: 2 }, { a: undefined, c: 3 }))).toEqual(["b", "c"]);
  });

  it("freezes to the bottom", () => {
    const value = deepFreeze({ a: [{ b: 1 }] });
    expect(() => {
      (value.a[0] as { b: number }).b = 2;
    }).toThrow(TypeError);
  });

  it("of foreign origin is neither too deep nor poisonous", () => {
    expect(jsonHazard({ a: [1, "x", null, false] })).toBeUndefined();
    expect(() => parseForeignJson('{"a": {"__proto__": {"polluted": true}}}')).toThrow("__proto__");
    expect(() => parseForeignJson(`${"[".repeat(100_000)}${"]".repeat(100_000)}`)).toThrow(/nested deeper|stack/);
    expect(jsonHazard({ a: Number.POSITIVE_INFINITY })).toContain("Infinity");
    expect(jsonHazard([undefined])).toContain("undefined");
  });
});
