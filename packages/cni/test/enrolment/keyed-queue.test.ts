// SPDX-License-Identifier: Apache-2.0
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { silentLogger } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { KeyedLock } from "../../src/enrolment/keyed-lock.ts";
import { KeyedQueue, type WorkResult } from "../../src/enrolment/keyed-queue.ts";
import { RetryBudget } from "../../src/enrolment/retry-budget.ts";
import { eventually } from "../support/eventually.ts";

const DONE: WorkResult = { kind: "done" };

describe("the queue of pods", () => {
  let clock: FakeClock;
  let queue: KeyedQueue;
  let seen: string[];
  let work: (key: string) => Promise<WorkResult>;

  beforeEach(() => {
    clock = new FakeClock();
    seen = [];
    work = async () => DONE;
    queue = new KeyedQueue(
      { clock, logger: silentLogger },
      {
        work: (key) => {
          seen.push(key);
          return work(key);
        },
        concurrency: 2,
        random: () => 0.5,
      },
    );
  });
  afterEach(async () => {
    await queue[Symbol.asyncDispose]();
  });

  const whenIdle = (): Promise<unknown> => eventually("an empty queue", () => queue.size === 0);

  it("collects until it is started, each key once", async () => {
    for (const key of ["a", "b", "a"]) queue.add(key);
    expect(seen).toEqual([]);
    queue.start();
    await whenIdle();
    expect(seen).toEqual(["a", "b"]);
  });

  it("looks at a key again that was added while it was worked on, and never twice at a time", async () => {
    const gate = Promise.withResolvers<WorkResult>();
    work = () => gate.promise;
    queue.start();
    queue.add("a");
    await eventually("the work", () => seen.length === 1);
    queue.add("a");
    queue.add("a");
    expect(seen).toEqual(["a"]);
    work = async () => DONE;
    gate.resolve(DONE);
    await whenIdle();
    expect(seen).toEqual(["a", "a"]);
  });

  it("works on as many keys at a time as it may", async () => {
    const gates = new Map<string, PromiseWithResolvers<WorkResult>>();
    work = (key) => {
      const gate = Promise.withResolvers<WorkResult>();
      gates.set(key, gate);
      return gate.promise;
    };
    queue.start();
    for (const key of ["a", "b", "c"]) queue.add(key);
    await eventually("two at work", () => gates.size === 2);
    gates.get("b")?.resolve(DONE);
    await eventually("the third", () => gates.has("c"));
    expect(seen).toEqual(["a", "b", "c"]);
    for (const gate of gates.values()) gate.resolve(DONE);
    await whenIdle();
  });

  it("repeats what failed with growing delays, without end, and begins anew after a success", async () => {
    const delays: number[] = [];
    work = () => Promise.reject(new Error("no"));
    queue.start();
    queue.add("a");
    for (let attempt = 1; attempt <= 12; attempt++) {
      await eventually("an attempt", () => seen.length === attempt && clock.timerCount === 1);
      delays.push(Math.round(clock.nextTimerInMs ?? 0));
      clock.advance(clock.nextTimerInMs ?? 0);
    }
    expect(delays).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000]);
    work = async () => DONE;
    clock.advance(5000);
    await whenIdle();
  });

  it("does not make a key wait that was added again", async () => {
    work = () => Promise.reject(new Error("no"));
    queue.start();
    queue.add("a");
    await eventually("a failure", () => clock.timerCount === 1);
    work = async () => DONE;
    queue.add("a");
    await whenIdle();
    expect(seen).toEqual(["a", "a"]);
  });

  it("looks again later where the work says so", async () => {
    let isFirst = true;
    work = async () => {
      const result: WorkResult = isFirst ? { kind: "again", afterMs: 700 } : DONE;
      isFirst = false;
      return result;
    };
    queue.start();
    queue.add("a");
    await eventually("a wait", () => clock.nextTimerInMs === 700);
    clock.advance(699);
    expect(seen).toEqual(["a"]);
    clock.advance(1);
    await whenIdle();
    expect(seen).toEqual(["a", "a"]);
  });

  it("ends the work under way when it is disposed", async () => {
    const signals: AbortSignal[] = [];
    await using other = new KeyedQueue(
      { clock, logger: silentLogger },
      {
        work: async (_key, signal) => {
          signals.push(signal);
          await clock.sleep(1e6, signal);
          return DONE;
        },
        concurrency: 1,
      },
    );
    other.start();
    other.add("a");
    await eventually("the work", () => signals.length === 1);
    await other[Symbol.asyncDispose]();
    other.add("b");
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  });
});

describe("the budget of retries", () => {
  it("allows a burst, then ten a second", () => {
    const budget = new RetryBudget({ burst: 3, perSecond: 10 }, 0);
    const delays = [0, 0, 0, 0, 0, 100, 1000].map((nowMs) => Math.round(budget.reserve(nowMs)));
    expect(delays).toEqual([0, 0, 0, 100, 200, 200, 0]);
  });

  it("is never saved beyond the burst", () => {
    const budget = new RetryBudget({ burst: 1, perSecond: 10 }, 0);
    expect([budget.reserve(1e6), Math.round(budget.reserve(1e6))]).toEqual([0, 100]);
  });
});

describe("the lock", () => {
  it("lets work on one key through in order, on different keys at once, also past a failure", async () => {
    const lock = new KeyedLock();
    const log: string[] = [];
    const gate = Promise.withResolvers<void>();
    const step =
      (name: string, wait: Promise<void> = Promise.resolve()) =>
      async (): Promise<string> => {
        log.push(`${name} begins`);
        await wait;
        log.push(`${name} ends`);
        return name;
      };
    const first = lock.run("a", step("a1", gate.promise));
    const failing = lock.run("a", () => Promise.reject(new Error("no")));
    const last = lock.run("a", step("a3"));
    expect(await lock.run("b", step("b1"))).toBe("b1");
    expect(log).toEqual(["a1 begins", "b1 begins", "b1 ends"]);
    gate.resolve();
    await expect(failing).rejects.toThrow("no");
    expect([await first, await last]).toEqual(["a1", "a3"]);
    expect(log.slice(3)).toEqual(["a1 ends", "a3 begins", "a3 ends"]);
  });
});
