// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { silentLogger } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { PeriodicWork } from "../../src/periodic-work.ts";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("work is done at once, after each interval, when asked for, and not after its end", async () => {
  const clock = new FakeClock();
  let done = 0;
  const work = new PeriodicWork(
    { clock, logger: silentLogger },
    {
      name: "count",
      intervalMs: 1000,
      work: async () => {
        done++;
        if (done === 2) throw new Error("this one fails");
      },
    },
  );
  work.start();
  await settled();
  expect(done).toBe(1);
  clock.advance(999);
  await settled();
  expect(done).toBe(1);
  clock.advance(1);
  await settled();
  expect(done).toBe(2);
  work.wakeUp();
  work.wakeUp();
  await settled();
  expect(done).toBe(3);
  await work[Symbol.asyncDispose]();
  clock.advance(5000);
  await settled();
  expect([done, clock.timerCount]).toEqual([3, 0]);
});
