// SPDX-License-Identifier: Apache-2.0
import { setImmediate } from "node:timers/promises";
import type { FakeClock } from "@ambientmesh/testkit";

/** Lets promises run, and time go on to the next timer whenever nothing else happens, until `isDone`. */
export async function passTime(clock: FakeClock, isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    for (let turn = 0; turn < 20 && !isDone(); turn++) await setImmediate();
    if (!isDone()) clock.advance(clock.nextTimerInMs ?? 0);
  }
}
