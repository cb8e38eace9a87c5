// SPDX-License-Identifier: Apache-2.0
import { isMeshError } from "@ambientmesh/core";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import type { Json } from "../../../src/json/json.ts";
import { applyJsonPatch } from "../../../src/local/patch/json-patch.ts";

// The cases of RFC 6902, appendix A, and what it says around them.
describe("JSON patch", () => {
  test.each<[string, Json, Json, Json]>([
    ["A.1 adds a member", { foo: "bar" }, [{ op: "add", path: "/baz", value: "qux" }], { baz: "qux", foo: "bar" }],
    [
      "A.2 adds an element",
      { foo: ["bar", "baz"] },
      [{ op: "add", path: "/foo/1", value: "qux" }],
      { foo: ["bar", "qux", "baz"] },
    ],
    ["A.3 removes a member", { baz: "qux", foo: "bar" }, [{ op: "remove", path: "/baz" }], { foo: "bar" }],
    [
      "A.4 removes an element",
      { foo: ["bar", "qux", "baz"] },
      [{ op: "remove", path: "/foo/1" }],
      { foo: ["bar", "baz"] },
    ],
    [
      "A.5 replaces",
      { baz: "qux", foo: "bar" },
      [{ op: "replace", path: "/baz", value: "boo" }],
      { baz: "boo", foo: "bar" },
    ],
    [
      "A.6 moves a value",
      { foo: { bar: "baz", waldo: "fred" }, qux: { corge: "grault" } },
      [{ op: "move", from: "/foo/waldo", path: "/qux/thud" }],
      { foo: { bar: "baz" }, qux: { corge: "grault", thud: "fred" } },
    ],
    [
      "A.7 moves an element",
      { foo: ["all", "grass", "cows", "eat"] },
      [{ op: "move", from: "/foo/1", path: "/foo/3" }],
      { foo: ["all", "cows", "eat", "grass"] },
    ],
    [
      "A.8 tests",
      { baz: "qux", foo: ["a", 2, "c"] },
      [
        { op: "test", path: "/baz", value: "qux" },
        { op: "test", path: "/foo/1", value: 2 },
      ],
      { baz: "qux", foo: ["a", 2, "c"] },
    ],
    [
      "A.10 adds an object",
      { foo: "bar" },
      [{ op: "add", path: "/child", value: { grandchild: {} } }],
      { foo: "bar", child: { grandchild: {} } },
    ],
    [
      "A.11 ignores unknown members",
      { foo: "bar" },
      [{ op: "add", path: "/baz", value: "qux", xyz: 123 }],
      { foo: "bar", baz: "qux" },
    ],
    ["A.14 unescapes pointers", { "/": 9, "~1": 10 }, [{ op: "test", path: "/~01", value: 10 }], { "/": 9, "~1": 10 }],
    [
      "A.16 appends a list",
      { foo: ["bar"] },
      [{ op: "add", path: "/foo/-", value: ["abc", "def"] }],
      { foo: ["bar", ["abc", "def"]] },
    ],
    ["copies", { a: { b: 1 } }, [{ op: "copy", from: "/a", path: "/c" }], { a: { b: 1 }, c: { b: 1 } }],
    ["replaces everything", { a: 1 }, [{ op: "replace", path: "", value: 2 }], 2],
    ["replaces an element", [1, 2, 3], [{ op: "replace", path: "/1", value: 9 }], [1, 9, 3]],
    ["reaches into elements", { a: [{ b: 1 }] }, [{ op: "add", path: "/a/0/c", value: 2 }], { a: [{ b: 1, c: 2 }] }],
    ["does nothing by no operations", { a: 1 }, [], { a: 1 }],
  ])("%s", (_name, target, patch, result) => {
    expect(applyJsonPatch(target, patch)).toEqual(result);
  });

  test.each<[string, Json, Json, string]>([
    ["A.9 a failing test", { baz: "qux" }, [{ op: "test", path: "/baz", value: "bar" }], "KUBE_INVALID"],
    ["A.12 a missing parent", { foo: "bar" }, [{ op: "add", path: "/baz/bat", value: "qux" }], "KUBE_INVALID"],
    ["A.15 a string that is no number", { "/": 9 }, [{ op: "test", path: "/~1", value: "9" }], "KUBE_INVALID"],
    ["a missing member", { a: 1 }, [{ op: "remove", path: "/b" }], "KUBE_INVALID"],
    ["replacing what is not there", { a: 1 }, [{ op: "replace", path: "/b", value: 1 }], "KUBE_INVALID"],
    ["an index beyond the end", [1], [{ op: "add", path: "/2", value: 1 }], "KUBE_INVALID"],
    ["an index with a zero in front", [1, 2], [{ op: "remove", path: "/01" }], "KUBE_INVALID"],
    ["adding to a scalar", { a: 1 }, [{ op: "add", path: "/a/b", value: 1 }], "KUBE_INVALID"],
    ["moving into itself", { a: { b: 1 } }, [{ op: "move", from: "/a", path: "/a/b/c" }], "KUBE_INVALID"],
    ["no list", {}, {}, "KUBE_BAD_REQUEST"],
    ["an unknown operation", {}, [{ op: "frob", path: "" }], "KUBE_BAD_REQUEST"],
    ["no value", {}, [{ op: "add", path: "/a" }], "KUBE_BAD_REQUEST"],
    ["no pointer", {}, [{ op: "remove", path: "a" }], "KUBE_BAD_REQUEST"],
    ["a prototype", {}, [{ op: "add", path: "/__proto__/x", value: 1 }], "KUBE_BAD_REQUEST"],
  ])("refuses %s", (_name, target, patch, code) => {
    expect(() => applyJsonPatch(target, patch)).toThrow(expect.objectContaining({ code }) as Error);
  });

  it("bounds what copies add", () => {
    const doubling = Array.from({ length: 40 }, (_, step) => ({ op: "copy", from: "", path: `/${step}` }));
    expect(() => applyJsonPatch({ seed: "x".repeat(100) }, doubling)).toThrow("copies more than");
    const many = Array.from({ length: 10_001 }, () => ({ op: "test", path: "", value: {} }));
    expect(() => applyJsonPatch({}, many)).toThrow("more than 10000 operations");
  });

  it("never changes its target, and either applies or refuses, whatever the patch", () => {
    const pointer = fc
      .array(fc.constantFrom("a", "b", "0", "1", "-", "~0", "~"), { maxLength: 3 })
      .map((steps) => steps.map((step) => `/${step}`).join(""));
    const operation = fc.record(
      {
        op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "x"),
        path: pointer,
        from: pointer,
        value: fc.jsonValue({ maxDepth: 2 }),
      },
      { requiredKeys: ["op"] },
    );
    const target = fc.record({
      a: fc.jsonValue({ maxDepth: 2 }),
      b: fc.array(fc.jsonValue({ maxDepth: 1 }), { maxLength: 3 }),
    });
    const property = fc.property(target, fc.array(operation, { maxLength: 5 }), (document, patch) => {
      const before = JSON.stringify(document);
      try {
        JSON.stringify(applyJsonPatch(document, patch));
      } catch (error) {
        if (!isMeshError(error, "KUBE_INVALID") && !isMeshError(error, "KUBE_BAD_REQUEST")) return false;
      }
      return JSON.stringify(document) === before;
    });
    expect(fc.check(property, { numRuns: 1000 }).counterexample).toBeNull();
  });
});
