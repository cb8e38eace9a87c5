// SPDX-License-Identifier: Apache-2.0
import { setImmediate as nextTurn } from "node:timers/promises";
import { MeshError, noMetrics, silentLogger } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { expect, it, vi } from "vitest";
import { KeyedQueue } from "../../src/writers/keyed-queue.ts";

function queueWith(work: (key: string) => Promise<void>) {
  const clock = new FakeClock();
  const failures = noMetrics.counter({ name: "f_total", help: "f" }).with({});
  const queue = new KeyedQueue({ clock, logger: silentLogger, failures }, { work });
  const stop = new AbortController();
  return { clock, queue, stop, run: () => queue.run(stop.signal) };
}

/** Lets the queue get as far as it can without time passing. */
async function rest(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await nextTurn();
}

it("works on each key once, however often it was added, and again after a second at the earliest", async () => {
  const work = vi.fn(async (_key: string) => undefined);
  const { clock, queue, stop, run } = queueWith(work);
  for (const key of ["a", "b", "a"]) queue.add(key);
  const running = run();
  await rest();
  queue.add("b");
  await rest();
  expect(work).toHaveBeenCalledTimes(2);
  clock.advance(1000);
  await rest();
  expect(work.mock.calls.map(([key]) => key)).toEqual(["a", "b", "b"]);
  stop.abort();
  await running;
});

it("tries five times with growing delays, then waits for the next change", async () => {
  const work = vi.fn(async () => Promise.reject(new Error("refused")));
  const { clock, queue, stop, run } = queueWith(work);
  queue.add("a");
  const running = run();
  for (let tries = 1; tries <= 5; tries++) {
    await rest();
    expect(work).toHaveBeenCalledTimes(tries);
    clock.advance(30_000);
  }
  await rest();
  expect(work).toHaveBeenCalledTimes(5);
  expect(queue.size).toBe(0);
  queue.add("a");
  await rest();
  expect(work).toHaveBeenCalledTimes(6);
  stop.abort();
  await running;
});

it("never gives up while the API server is away, and does other keys meanwhile", async () => {
  const away = new MeshError("AWAY", "away", { retryable: true });
  const work = vi.fn(async (key: string) => (key === "a" ? Promise.reject(away) : undefined));
  const { clock, queue, stop, run } = queueWith(work);
  queue.add("a");
  const running = run();
  for (let tries = 0; tries < 20; tries++) {
    await rest();
    clock.advance(30_000);
  }
  await rest();
  expect(work.mock.calls.length).toBeGreaterThan(15);
  queue.add("b");
  await rest();
  expect(work.mock.lastCall?.[0]).toBe("b");
  stop.abort();
  await running;
});

it("keeps what is left for the next run", async () => {
  const first = Promise.withResolvers<void>();
  const work = vi.fn(async (key: string) => (key === "a" ? first.promise : undefined));
  const { queue, stop, run } = queueWith(work);
  queue.add("a");
  queue.add("b");
  const running = run();
  await rest();
  stop.abort();
  first.reject(new Error("given up"));
  await running;
  expect(queue.size).toBe(2);
});
