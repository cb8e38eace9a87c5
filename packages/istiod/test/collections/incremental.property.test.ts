// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { CollectionGraph } from "../../src/collections/graph.ts";

interface Item {
  readonly group: string;
  readonly ref: string;
  readonly size: number;
}

/** Two levels with reads by key, by index and by index with a filter, joined at the end. */
function build() {
  const graph = new CollectionGraph(({ error }) => {
    throw error;
  });
  const left = graph.source<Item>("left");
  const right = graph.source<Item>("right");
  const rightByGroup = right.index("group", ({ group, ref }) => [group, ref]);
  const sums = graph.derive<Item, number>({
    name: "sums",
    from: left,
    reads: [rightByGroup, right],
    equals: Object.is,
    derive: (item, fetch, key) => {
      const big = fetch.many(rightByGroup, item.group, ({ size }) => size >= item.size);
      const referred = fetch.one(right, item.ref)?.size ?? -1;
      return item.size === 0 ? [] : [[`sum/${key}`, big.reduce((sum, { size }) => sum + size, referred)]];
    },
  });
  const sumsByParity = sums.index("parity", (sum) => [String(sum % 2)]);
  const reports = graph.derive<Item, string>({
    name: "reports",
    from: right,
    reads: [sumsByParity, left],
    equals: Object.is,
    derive: (item, fetch, key) => {
      const peers = fetch.many(sumsByParity, String(item.size % 2)).sort((a, b) => a - b);
      return [
        [`report/${key}/a`, peers.join("+")],
        [`report/${key}/b`, fetch.one(left, item.ref)?.group ?? "none"],
      ].slice(0, 1 + (item.size % 2)) as [string, string][];
    },
  });
  const texts = graph.derive<number, string>({
    name: "texts",
    from: sums,
    equals: Object.is,
    derive: (sum, _fetch, key) => [[key, String(sum)]],
  });
  return { graph, left, right, all: graph.union("all", [texts, reports]) };
}

const sorted = <T>(collection: Iterable<[string, T]>): [string, T][] =>
  [...collection].sort(([a], [b]) => (a < b ? -1 : 1));

const name = fc.constantFrom("a", "b", "c", "d");
const item = fc.record({ group: name, ref: name, size: fc.integer({ min: 0, max: 5 }) });
const operation = fc.record({
  side: fc.constantFrom("left" as const, "right" as const),
  key: name,
  item: fc.option(item, { nil: undefined }),
  next: fc.constantFrom("settle" as const, "pause" as const, "go on" as const),
});

it("gives, after any sequence of changes, what deriving everything anew gives", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const incremental = build();
      const mirror = new Map<string, string>();
      incremental.all.subscribe((changes) => {
        for (const { key, before, after } of changes) {
          expect(mirror.get(key)).toBe(before);
          if (after === undefined) mirror.delete(key);
          else mirror.set(key, after);
        }
      });
      for (const { side, key, item, next } of operations) {
        if (item) incremental[side].set(key, item);
        else incremental[side].delete(key);
        if (next === "settle") incremental.graph.settle();
        if (next === "pause") incremental.graph.work(() => true);
      }
      incremental.graph.settle();

      const anew = build();
      for (const side of ["left", "right"] as const) {
        for (const [key, item] of incremental[side].entries()) anew[side].set(key, item);
      }
      anew.graph.settle();
      expect(sorted(incremental.all.entries())).toEqual(sorted(anew.all.entries()));
      expect(sorted(mirror)).toEqual(sorted(anew.all.entries()));
    }),
  );
});
