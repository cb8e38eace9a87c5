// SPDX-License-Identifier: Apache-2.0
import { setTimeout as delay } from "node:timers/promises";

const STEP_MS = 10;

/** Waits until `probe` gives something truthy, and gives it back; the test's own time limit is the bound. */
export async function eventually<T>(probe: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const value = await probe();
    if (value) return value;
    await delay(STEP_MS);
  }
}
