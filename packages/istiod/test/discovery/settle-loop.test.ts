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
  const holds = { current: 0, total: 0 };
  const hold = (): Disposable => {
    holds.current++;
    holds.total++;
    return { [Symbol.dispose]: () => void holds.current-- };
  };
  const loop = new SettleLoop({ clock: { monotonicMs: () => now }, graph, hold, duration, onCrash });
  const pass = (ms: number): void => void (now += ms);
  return { source, doubled, loop, graph, holds, pass };
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

it("publishes much in portions, with turns for others between, and what changes meanwhile after it", async () => {
  const { source, doubled, loop, holds, pass } = slowGraph(0);
  for (let at = 0; at < 1000; at++) source.set(`k${at}`, 1);
  const portions: number[] = [];
  const isHeld: boolean[] = [];
  const seen = new Map<string, number | undefined>();
  doubled.subscribe((changes) => {
    portions.push(changes.length);
    for (const { key, after } of changes) seen.set(key, after);
    pass(20);
  });
  loop.touch();
  const look = (): void => {
    isHeld.push(holds.current === 1);
    if (isHeld.length === 2) source.set("k0", 2);
    if (isHeld.length < 4) setImmediate(look);
  };
  setImmediate(look);
  await loop.whenSettled();
  expect(portions).toEqual([250, 250, 250, 250, 1]);
  expect(isHeld).toContain(true);
  expect(seen.size).toBe(1000);
  expect(seen.get("k0")).toBe(4);
  expect(holds).toEqual({ current: 0, total: 2 });
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
