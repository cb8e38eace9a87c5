// SPDX-License-Identifier: Apache-2.0
import { setImmediate as nextTurn } from "node:timers/promises";
import { noMetrics } from "@ambientmesh/core";
import { expect, it, vi } from "vitest";
import { CollectionGraph } from "../../src/collections/graph.ts";
import { SettleLoop } from "../../src/discovery/settle-loop.ts";

const duration = noMetrics.histogram({ name: "d", help: "d", buckets: [] }).with({});

/** A graph whose derivations take `costMs` each, on a clock that only they move. */
function slowGraph(costMs: number, onCrash = vi.fn()) {
  let now = 0;
  const graph = new CollectionGraph(() => undefined);
  const source = graph.source<number>("numbers");
  const doubled = graph.derive<number, number>({
    name: "doubled",
    from: source,
    equals: Object.is,
    derive: (value, _fetch, key) => {
      now += costMs;
      return [[key, value * 2]];
    },
  });
  const loop = new SettleLoop({ clock: { monotonicMs: () => now }, graph, duration, onCrash });
  return { source, doubled, loop, graph };
}

it("works in slices, takes what comes meanwhile with it, and publishes once", async () => {
  const { source, doubled, loop } = slowGraph(6);
  const published = vi.fn();
  doubled.subscribe(published);
  for (const key of ["a", "b", "c", "d"]) source.set(key, 1);
  loop.touch();
  loop.touch();
  setImmediate(() => {
    source.set("e", 1);
    loop.touch();
  });
  await loop.whenSettled();
  expect(published).toHaveBeenCalledTimes(1);
  expect(doubled.size).toBe(5);
});

it("settles again after it has settled", async () => {
  const { source, doubled, loop } = slowGraph(1);
  source.set("a", 1);
  loop.touch();
  await loop.whenSettled();
  source.set("a", 2);
  loop.touch();
  await loop.whenSettled();
  expect(doubled.get("a")).toBe(4);
});

it("stops when it is disposed", async () => {
  const { source, doubled, loop } = slowGraph(1);
  source.set("a", 1);
  loop.touch();
  loop[Symbol.dispose]();
  await nextTurn();
  await nextTurn();
  expect(doubled.size).toBe(0);
});

it("reports a crash", async () => {
  const crashed = Promise.withResolvers<unknown>();
  const { graph, loop } = slowGraph(1, vi.fn(crashed.resolve));
  const source = graph.source<number>("other");
  graph.derive<number, number>({
    name: "careless",
    from: source,
    equals: Object.is,
    derive: (_value, fetch, key) => [[key, fetch.one(graph.source<number>("undeclared"), key) ?? 0]],
  });
  source.set("a", 1);
  loop.touch();
  expect(await crashed.promise).toMatchObject({ code: "ISTIOD_UNDECLARED_READ" });
});
