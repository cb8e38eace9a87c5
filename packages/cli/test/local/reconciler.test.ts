// SPDX-License-Identifier: Apache-2.0
import { silentLogger } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { expect, it } from "vitest";
import { Reconciler } from "../../src/local/controllers/reconciler.ts";
import { settle } from "../support/objects.ts";

it("works on each key once, however often it was added meanwhile", async () => {
  const seen: string[] = [];
  await using reconciler = new Reconciler(
    { name: "test", reconcile: async (key) => void seen.push(key) },
    { clock: new FakeClock(), logger: silentLogger },
  );
  for (const key of ["a", "b", "a", "a"]) reconciler.add(key);
  await settle();
  expect(seen).toEqual(["a", "b"]);
  reconciler.add("a");
  await settle();
  expect(seen).toEqual(["a", "b", "a"]);
});

it("comes back to a key that failed, later each time, and forgets that when it succeeds", async () => {
  const clock = new FakeClock();
  let failures = 2;
  let calls = 0;
  await using reconciler = new Reconciler(
    {
      name: "test",
      reconcile: async () => {
        calls++;
        if (failures-- > 0) throw new Error("not yet");
      },
    },
    { clock, logger: silentLogger },
  );
  reconciler.add("a");
  await settle();
  expect(calls).toBe(1);
  const first = clock.nextTimerInMs ?? 0;
  clock.advance(first);
  await settle();
  expect(calls).toBe(2);
  const second = clock.nextTimerInMs ?? 0;
  expect(second).toBeGreaterThan(first);
  clock.advance(second);
  await settle();
  expect(calls).toBe(3);
  expect(clock.timerCount).toBe(0);
});

it("stops in the middle of its work when it is disposed", async () => {
  const started = Promise.withResolvers<void>();
  let calls = 0;
  const reconciler = new Reconciler(
    {
      name: "test",
      reconcile: (_key, signal) =>
        new Promise((_resolve, reject) => {
          calls++;
          started.resolve();
          signal.addEventListener("abort", () => reject(new Error("stopped")), { once: true });
        }),
    },
    { clock: new FakeClock(), logger: silentLogger },
  );
  reconciler.add("a");
  reconciler.add("b");
  await started.promise;
  await reconciler[Symbol.asyncDispose]();
  expect(calls).toBe(1);
});
