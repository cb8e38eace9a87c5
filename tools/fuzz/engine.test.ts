// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { sizeOf, type FuzzTarget } from "@ambientmesh/testkit";
import { isNamed } from "./discover.ts";
import { FuzzFailure, fuzz, type FuzzObserver } from "./engine.ts";
import { SharedInput } from "./shared-input.ts";

const nobody: FuzzObserver = { taking: () => {}, progress: () => {} };
const limits = { seconds: 60, inputs: 20_000, seed: 7 };
const text = (input: Buffer): string => input.toString("latin1");

describe("fuzzing", () => {
  it("finds an input behind steps that each have an outcome of their own", async () => {
    const target: FuzzTarget = {
      run: (input) => {
        const shared = ["m", "e", "s", "h"].findIndex((letter, at) => text(input)[at] !== letter);
        if (shared === -1) throw new Error("found");
        return String(shared);
      },
      tokens: ["m", "e", "s", "h"],
    };
    const failure = await fuzz(target, [], limits, nobody).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(FuzzFailure);
    expect(text((failure as FuzzFailure).input).startsWith("mesh")).toBe(true);
  });

  it("fails with the kept input that fails, before anything else", async () => {
    const run: FuzzTarget["run"] = (input) => (text(input) === "bad" ? Promise.reject(new Error("no")) : undefined);
    const kept = [Buffer.from("good"), Buffer.from("bad")];
    const failure = await fuzz({ run }, kept, limits, nobody).catch((error: unknown) => error);
    expect(text((failure as FuzzFailure).input)).toBe("bad");
  });

  it("makes the same inputs of the same seed, none longer than the target takes", async () => {
    const runs: string[][] = [[], []];
    for (const seen of runs) {
      const target: FuzzTarget = {
        run: (input, random) => void seen.push(`${text(input)} ${random(1000)}`),
        seeds: () => [Buffer.from("some words to begin with")],
        maxLength: 30,
      };
      await fuzz(target, [], { ...limits, inputs: 400 }, nobody);
    }
    expect(runs[0]).toEqual(runs[1]);
    expect(new Set(runs[0]).size).toBeGreaterThan(100);
    expect(Math.max(...(runs[0] ?? []).map((each) => each.lastIndexOf(" ")))).toBeLessThanOrEqual(30);
  });

  it("stops at the inputs asked for and says what it found", async () => {
    const target: FuzzTarget = { run: (input) => String(input.length % 3), seeds: () => [Buffer.from("abc")] };
    const { done, corpusSize, discovered } = await fuzz(
      target,
      [Buffer.from("x")],
      { ...limits, inputs: 1000 },
      nobody,
    );
    expect([done, corpusSize, discovered.length]).toEqual([1000, 2, 1]);
  });
});

describe("what surrounds it", () => {
  it("keeps the input for a thread that looks at it from outside", () => {
    const writer = new SharedInput();
    const reader = new SharedInput(writer.memory);
    writer.set(Buffer.from("first and long"));
    writer.set(Buffer.from("second"));
    expect([reader.count, text(reader.get())]).toEqual([2, "second"]);
  });

  it.each([
    ["hbone/frames", undefined, true],
    ["hbone/frames", "hbone", true],
    ["hbone/frames", "frames", true],
    ["hbone/frames", "hbone/frames", true],
    ["hbone/frames", "frame", false],
  ])("%s is named by %s: %s", (id, pattern, expected) => {
    expect(isNamed(id, pattern)).toBe(expected);
  });

  it("counts what is held twice as two", () => {
    const word = "x".repeat(100);
    expect(sizeOf([word, word], 1000)).toBeGreaterThan(200);
    let bomb: unknown = "lol";
    for (let depth = 0; depth < 30; depth++) bomb = [bomb, bomb, new Map([[bomb, new Set([bomb])]])];
    expect(() => sizeOf(bomb, 100_000)).toThrow(RangeError);
  });
});
