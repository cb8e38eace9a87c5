// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { assert, integer, property, record } from "fast-check";
import { nextStep, type Generation } from "../../src/local/controllers/rollout.ts";

const generation = (name: string, replicas: number, available = replicas, pods = replicas): Generation => ({
  name,
  replicas,
  available,
  pods,
});

describe("a rolling update", () => {
  it("starts all pods of a new deployment", () => {
    const step = nextStep({ desired: 3, strategy: undefined, current: generation("new", 0), old: [] });
    expect(Object.fromEntries(step)).toEqual({ new: 3 });
  });

  it.each([
    // One new pod above the wanted number; the old one stays until it is there.
    { current: generation("new", 0), old: generation("old", 1), wanted: { new: 1, old: 1 } },
    { current: generation("new", 1, 0), old: generation("old", 1), wanted: { new: 1, old: 1 } },
    { current: generation("new", 1, 1), old: generation("old", 1), wanted: { new: 1, old: 0 } },
  ])("replaces one pod without a gap: %o", ({ current, old, wanted }) => {
    expect(Object.fromEntries(nextStep({ desired: 1, strategy: undefined, current, old: [old] }))).toEqual(wanted);
  });

  it("ends old pods that are not available first", () => {
    const step = nextStep({
      desired: 4,
      strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 2 } },
      current: generation("new", 0),
      old: [generation("broken", 2, 0), generation("good", 2, 2)],
    });
    expect(Object.fromEntries(step)).toEqual({ new: 0, broken: 0, good: 2 });
  });

  it.each([
    ["50%", 0, 4, { new: 2, old: 4 }],
    [0, "25%", 4, { new: 0, old: 3 }],
    // Both nothing would never move.
    [0, 0, 2, { new: 0, old: 1 }],
  ] as const)("follows maxSurge %s and maxUnavailable %s", (maxSurge, maxUnavailable, desired, wanted) => {
    const strategy = { rollingUpdate: { maxSurge, maxUnavailable } };
    const step = nextStep({ desired, strategy, current: generation("new", 0), old: [generation("old", desired)] });
    expect(Object.fromEntries(step)).toEqual(wanted);
  });

  it("scales down what is too many", () => {
    const step = nextStep({ desired: 1, strategy: undefined, current: generation("new", 3), old: [] });
    expect(Object.fromEntries(step)).toEqual({ new: 1 });
  });

  it("gets there in the end, and never goes below what has to be available", () => {
    const sizes = record({
      desired: integer({ min: 1, max: 9 }),
      surge: integer({ min: 0, max: 3 }),
      unavailable: integer({ min: 0, max: 3 }),
    });
    assert(
      property(sizes, ({ desired, surge, unavailable }) => {
        const strategy = { rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } };
        let current = generation("new", 0);
        let old = generation("old", desired);
        for (let steps = 0; steps < 50 && (current.replicas < desired || old.replicas > 0); steps++) {
          const step = nextStep({ desired, strategy, current, old: [old] });
          const total = [...step.values()].reduce((sum, replicas) => sum + replicas, 0);
          expect(total).toBeLessThanOrEqual(desired + surge);
          // Old pods end at once, new ones are not available yet.
          const available = Math.min(current.available, step.get("new") ?? 0) + (step.get("old") ?? 0);
          expect(available).toBeGreaterThanOrEqual(desired - Math.max(unavailable, surge === 0 ? 1 : 0));
          current = generation("new", step.get("new") ?? 0);
          old = generation("old", step.get("old") ?? 0);
        }
        expect([current.replicas, old.replicas]).toEqual([desired, 0]);
      }),
    );
  });
});

describe("Recreate", () => {
  const strategy = { type: "Recreate" } as const;

  it("ends all old pods before it starts a new one", () => {
    const state = { desired: 1, strategy, current: generation("new", 0) };
    const waiting = nextStep({ ...state, old: [generation("old", 0, 0, 1)] });
    expect(Object.fromEntries(waiting)).toEqual({ new: 0, old: 0 });
    const clear = nextStep({ ...state, old: [generation("old", 0, 0, 0)] });
    expect(Object.fromEntries(clear)).toEqual({ new: 1, old: 0 });
  });
});
