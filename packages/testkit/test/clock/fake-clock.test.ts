// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../src/index.ts";

describe("FakeClock", () => {
  it("stands still until it is moved, and fires timers at their own times in order", () => {
    const clock = new FakeClock(1000);
    const fired: string[] = [];
    const note = (name: string) => (): number => fired.push(`${name} at ${clock.now()}`);
    clock.setTimer(20, note("second"));
    clock.setTimer(10, () => {
      note("first")();
      clock.setTimer(5, note("inner"));
    });
    clock.setTimer(15, note("cancelled")).cancel();
    expect(clock.nextTimerInMs).toBe(10);
    clock.advance(9);
    expect(fired).toEqual([]);
    clock.advance(21);
    expect(fired).toEqual(["first at 1010", "inner at 1015", "second at 1020"]);
    expect([clock.now(), clock.monotonicMs(), clock.timerCount, clock.nextTimerInMs]).toEqual([1030, 30, 0, undefined]);
  });

  it("wakes sleepers, and lets them be woken by a signal", async () => {
    const clock = new FakeClock();
    const slept = clock.sleep(10);
    clock.advance(10);
    await slept;
    const abort = new AbortController();
    const sleeping = clock.sleep(10, abort.signal);
    abort.abort();
    await expect(sleeping).rejects.toMatchObject({ code: "ABORTED" });
    expect(clock.timerCount).toBe(0);
  });
});
