// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, test } from "vitest";
import {
  Backoff,
  BoundedQueue,
  ConfigReader,
  Drain,
  MeshError,
  TaskGroup,
  errorCatalogue,
  formatDurationMs,
  isMeshError,
  parseDurationMs,
  systemClock,
  toMeshError,
} from "../src/index.ts";

describe("errors", () => {
  const errors = errorCatalogue({ TEST_BROKEN: "It broke." });

  it("carries code, details and cause, and turns into plain data", () => {
    const error = errors.create("TEST_BROKEN", "pod a/b broke", { cause: new Error("why"), details: { pod: "a/b" } });
    expect(error.toJSON()).toEqual({
      code: "TEST_BROKEN",
      message: "pod a/b broke",
      details: { pod: "a/b" },
      cause: "why",
    });
    expect(errors.is(error)).toBe(true);
    expect(errors.is(error, "TEST_BROKEN")).toBe(true);
    expect(isMeshError(error, "OTHER")).toBe(false);
    expect(errors.is(new MeshError("OTHER", "x"))).toBe(false);
  });

  test.each([
    [new Error("plain"), "plain"],
    ["text", "text"],
    [{ a: 1 }, '{"a":1}'],
    [undefined, "undefined"],
  ])("normalises %o", (thrown, message) => {
    expect(toMeshError(thrown, "WRAPPED")).toMatchObject({ code: "WRAPPED", message });
  });
});

describe("parseDurationMs", () => {
  test.each([
    ["0", 0],
    ["300ms", 300],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    ["2m0.5s", 120_500],
  ])("%s", (text, ms) => expect(parseDurationMs(text)).toBe(ms));
  test.each(["", "5", "s", "5 s", "-1s", "5s!", "1d"])("refuses %j", (text) =>
    expect(() => parseDurationMs(text)).toThrow("not a duration"),
  );
});

describe("formatDurationMs", () => {
  test.each([
    [0, "0"],
    [100, "100ms"],
    [5_400_000, "1h30m"],
    [86_400_000, "24h"],
    [61_001, "1m1s1ms"],
  ])("%d ms", (ms, text) => {
    expect(formatDurationMs(ms)).toBe(text);
    expect(parseDurationMs(text)).toBe(ms);
  });
});

describe("ConfigReader", () => {
  it("shows defaults as they would be written", () => {
    const reader = new ConfigReader({});
    reader.durationMs({ name: "TTL", default: 86_400_000, description: "" });
    reader.string({ name: "NONE", default: undefined, description: "" });
    expect(reader.declared.map((variable) => variable.default)).toEqual(["24h", ""]);
  });

  it("lists every problem at once and names the program", () => {
    const reader = new ConfigReader({ PORT: "70000", ON: "yes", WAIT: "soon", MODE: "x", EMPTY: "" });
    const value = (name: string) => ({ name, description: "" });
    expect(reader.integer({ ...value("PORT"), default: 80, min: 1, max: 65535 })).toBe(80);
    reader.boolean({ ...value("ON"), default: true });
    reader.durationMs({ ...value("WAIT"), default: 5 });
    reader.oneOf({ ...value("MODE"), default: "a", values: ["a", "b"] });
    expect(reader.integer({ ...value("EMPTY"), default: 7 })).toBe(7);
    expect(() => reader.finish("ztunnel")).toThrowErrorMatchingInlineSnapshot(
      `[MeshError: ztunnel can't start: PORT="70000" is not a whole number from 1 to 65535; ON="yes" is neither "true" nor "false"; WAIT="soon" is not a duration like 10s, 5m or 1h30m; MODE="x" is none of a, b]`,
    );
    expect(reader.declared.map((variable) => variable.name)).toEqual(["PORT", "ON", "WAIT", "MODE", "EMPTY"]);
  });

  it("reads valid values", () => {
    const reader = new ConfigReader({ A: "x, y,,z", B: "false", C: "" });
    expect(reader.list({ name: "A", default: [], description: "" })).toEqual(["x", "y", "z"]);
    expect(reader.boolean({ name: "B", default: true, description: "" })).toBe(false);
    expect(reader.string({ name: "C", default: "d", description: "" })).toBe("");
    reader.finish("test");
  });
});

describe("Backoff", () => {
  it("doubles up to the cap, and starts anew after a success", () => {
    const backoff = new Backoff({ initialMs: 10, maxMs: 50, jitter: 0 });
    expect([1, 2, 3, 4].map(() => backoff.next())).toEqual([10, 20, 40, 50]);
    backoff.reset();
    expect(backoff.next()).toBe(10);
  });

  it("spreads by the jitter and never exceeds the cap", () => {
    const low = new Backoff({ initialMs: 100, maxMs: 110, jitter: 0.5, random: () => 0 });
    const high = new Backoff({ initialMs: 100, maxMs: 110, jitter: 0.5, random: () => 0.999 });
    expect(low.next()).toBe(50);
    expect(high.next()).toBe(110);
  });
});

describe("BoundedQueue", () => {
  it("refuses what does not fit and serves waiting consumers in order", async () => {
    const queue = new BoundedQueue<number>(1);
    const first = queue.pop();
    expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([true, true, false]);
    expect([await first, await queue.pop()]).toEqual([1, 2]);
  });

  it("lets go of a consumer that gave up", async () => {
    const queue = new BoundedQueue<number>(1);
    const abort = new AbortController();
    const waiting = queue.pop(abort.signal);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    queue.push(5);
    expect(await queue.pop()).toBe(5);
  });

  it("hands out what is inside after close, then refuses", async () => {
    const queue = new BoundedQueue<number>(2);
    queue.push(1);
    queue.close();
    expect(queue.push(2)).toBe(false);
    expect(await queue.pop()).toBe(1);
    await expect(queue.pop()).rejects.toMatchObject({ code: "QUEUE_CLOSED" });
  });
});

describe("TaskGroup", () => {
  it("reports a crash and ends all tasks when disposed", async () => {
    const crashes: string[] = [];
    const group = new TaskGroup({ onCrash: (task, error) => crashes.push(`${task}: ${error.message}`) });
    let isEnded = false;
    group.run("bad", () => Promise.reject(new Error("boom")));
    group.run("good", async (signal) => {
      await systemClock.sleep(60_000, signal).catch(() => {});
      isEnded = true;
    });
    await delay(5);
    await group[Symbol.asyncDispose]();
    expect(crashes).toEqual(["bad: boom"]);
    expect([isEnded, group.size]).toEqual([true, 0]);
  });
});

describe("Drain", () => {
  it("waits for holds", async () => {
    const drain = new Drain();
    const hold = drain.hold();
    let isDone = false;
    const done = drain.begin(60_000).then(() => (isDone = true));
    expect(drain.draining.aborted).toBe(true);
    await delay(5);
    expect([isDone, drain.forced.aborted]).toEqual([false, false]);
    hold[Symbol.dispose]();
    hold[Symbol.dispose]();
    await done;
  });

  it("forces after the deadline", async () => {
    const drain = new Drain();
    const hold = drain.hold();
    drain.forced.addEventListener("abort", () => hold[Symbol.dispose]());
    await drain.begin(5);
    expect(drain.forced.aborted).toBe(true);
  });
});
