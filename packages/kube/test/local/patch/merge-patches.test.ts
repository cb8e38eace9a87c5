// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { jsonEqual, type Json } from "../../../src/json/json.ts";
import { pod } from "../../../src/local/kinds/schemas/pod.ts";
import { reorder } from "../../../src/local/patch/element-order.ts";
import { applyMergePatch } from "../../../src/local/patch/merge-patch.ts";
import { applyStrategicMergePatch } from "../../../src/local/patch/strategic-merge.ts";

// RFC 7386, appendix A.
describe("JSON merge patch", () => {
  test.each<[Json, Json, Json]>([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b" }, { a: null }, {}],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [
      ["a", "b"],
      ["c", "d"],
      ["c", "d"],
    ],
    [{ a: "b" }, ["c"], ["c"]],
    [{ a: "foo" }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])("%j with %j is %j", (target, patch, result) => {
    expect(applyMergePatch(target, patch)).toEqual(result);
  });

  it("is idempotent", () => {
    const property = fc.property(fc.jsonValue(), fc.jsonValue(), (target, patch) => {
      const once = applyMergePatch(target, patch);
      return jsonEqual(applyMergePatch(once, patch), once);
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});

describe("strategic merge patch", () => {
  const spec = (fields: Json): Json => ({ spec: fields });
  test.each<[string, Json, Json, Json]>([
    [
      "merges containers by name",
      spec({
        containers: [
          { name: "a", image: "a:1", tty: true },
          { name: "b", image: "b:1" },
        ],
      }),
      spec({ containers: [{ name: "a", image: "a:2" }] }),
      spec({
        containers: [
          { name: "a", image: "a:2", tty: true },
          { name: "b", image: "b:1" },
        ],
      }),
    ],
    [
      "adds what is new, without nulls and directives",
      spec({ containers: [{ name: "a" }] }),
      spec({ containers: [{ name: "b", image: "b", tty: null, env: [{ name: "X", $patch: "merge" }] }] }),
      spec({ containers: [{ name: "a" }, { name: "b", image: "b", env: [{ name: "X" }] }] }),
    ],
    [
      "deletes an item",
      spec({ containers: [{ name: "a" }, { name: "b" }] }),
      spec({
        containers: [
          { name: "b", $patch: "delete" },
          { name: "none", $patch: "delete" },
        ],
      }),
      spec({ containers: [{ name: "a" }] }),
    ],
    [
      "replaces a list",
      spec({ containers: [{ name: "a" }, { name: "b" }] }),
      spec({ containers: [{ $patch: "replace" }, { name: "c" }] }),
      spec({ containers: [{ name: "c" }] }),
    ],
    [
      "replaces an object",
      spec({ nodeSelector: { a: "1", b: "2" } }),
      spec({ nodeSelector: { $patch: "replace", c: "3" } }),
      spec({ nodeSelector: { c: "3" } }),
    ],
    [
      "deletes an object's content",
      spec({ nodeSelector: { a: "1" } }),
      spec({ nodeSelector: { $patch: "delete" } }),
      spec({ nodeSelector: {} }),
    ],
    [
      "replaces lists without a key",
      spec({ tolerations: [{ key: "a" }] }),
      spec({ tolerations: [{ key: "b" }] }),
      spec({ tolerations: [{ key: "b" }] }),
    ],
    [
      "merges sets",
      { metadata: { finalizers: ["a"] } },
      { metadata: { finalizers: ["b", "a"] } },
      { metadata: { finalizers: ["a", "b"] } },
    ],
    [
      "takes values out of a set",
      { metadata: { finalizers: ["a", "b"] } },
      { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"] } },
      { metadata: { finalizers: ["b"] } },
    ],
    [
      "keeps only named keys",
      spec({ securityContext: { runAsUser: 1, fsGroup: 2 } }),
      spec({ securityContext: { $retainKeys: ["fsGroup"], fsGroup: 3 } }),
      spec({ securityContext: { fsGroup: 3 } }),
    ],
    [
      "orders a list",
      spec({ containers: [{ name: "a" }, { name: "x" }, { name: "b" }] }),
      spec({ "$setElementOrder/containers": [{ name: "b" }, { name: "a" }], containers: [{ name: "b", image: "b" }] }),
      spec({ containers: [{ name: "b", image: "b" }, { name: "a" }, { name: "x" }] }),
    ],
    ["removes by null", spec({ hostname: "a", nodeName: "n" }), spec({ hostname: null }), spec({ nodeName: "n" })],
  ])("%s", (_name, target, patch, result) => {
    expect(applyStrategicMergePatch(pod, target, patch)).toEqual(result);
  });

  test.each<[string, Json]>([
    ["a scalar", 1],
    ["an unknown directive", { spec: { $patch: "frob" } }],
    ["an item without its key", { spec: { containers: [{ image: "a" }] } }],
    ["keys that are no list", { spec: { $retainKeys: "a" } }],
    ["an order that is no list", { spec: { "$setElementOrder/containers": {} } }],
  ])("refuses %s", (_name, patch) => {
    expect(() => applyStrategicMergePatch(pod, {}, patch)).toThrow("the strategic merge patch can't be read");
  });

  it("orders every item exactly once", () => {
    const property = fc.property(fc.uniqueArray(fc.nat(9)), fc.uniqueArray(fc.nat(9)), (list, order) => {
      const result = reorder(list, order, undefined) as readonly number[];
      const ordered = result.filter((item) => order.includes(item));
      const wanted = order.filter((item) => list.includes(item));
      const isComplete = result.length === list.length && list.every((item) => result.includes(item));
      return isComplete && ordered.join() === wanted.join();
    });
    expect(fc.check(property).counterexample).toBeNull();
  });
});
