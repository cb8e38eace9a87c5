// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { runTarget, type TargetReport } from "./run-target.ts";

const module = new URL("faulty-targets.ts", import.meta.url).href;
const runFaulty = (name: string): Promise<TargetReport> =>
  runTarget(
    { module, name, kept: [Buffer.from("good"), Buffer.from("bad")] },
    { seconds: 60, inputs: 1000, seed: 1 },
    { hangMs: name === "hangs" ? 300 : 20_000, maxHeapMegabytes: 64 },
  );

describe("a target that is watched", () => {
  it("is reported with its inputs and memory when all went well", async () => {
    const { done, corpusSize, failure, rss } = await runFaulty("fine");
    expect([done, corpusSize, failure]).toEqual([1000, 2, undefined]);
    expect(rss.peak).toBeGreaterThanOrEqual(rss.end);
    expect(rss.start).toBeGreaterThan(1e6);
  });

  it.each([
    ["throws", "a bug"],
    ["hangs", "CPU time"],
    ["grows", "memory"],
  ])(
    "that %s is stopped, and its input named",
    async (name, reason) => {
      const { failure } = await runFaulty(name);
      expect(failure?.message).toContain(reason);
      expect(Buffer.from(failure?.input ?? []).toString()).toBe("bad");
    },
    30_000,
  );
});
