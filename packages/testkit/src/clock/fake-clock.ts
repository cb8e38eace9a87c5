// SPDX-License-Identifier: Apache-2.0
import { sleepWith, type Clock, type Timer } from "@ambientmesh/core";

/** A clock that stands still until it is moved. Timers fire inside {@link FakeClock.advance}, in the order of their times. */
export class FakeClock implements Clock {
  readonly #timers = new Set<{ readonly dueAt: number; readonly callback: () => void }>();
  readonly #startMs: number;
  #nowMs: number;

  /** `startMs`: milliseconds since 1970; by default the machine's time, so that certificates made by others are valid. */
  constructor(startMs: number = Date.now()) {
    this.#startMs = startMs;
    this.#nowMs = startMs;
  }

  /** How many timers have not fired. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** How long until the next timer fires; undefined without timers. */
  get nextTimerInMs(): number | undefined {
    const dueAt = Math.min(...[...this.#timers].map((timer) => timer.dueAt));
    return Number.isFinite(dueAt) ? dueAt - this.#nowMs : undefined;
  }

  now(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { dueAt: this.#nowMs + Math.max(delayMs, 0), callback };
    this.#timers.add(timer);
    const cancel = (): void => {
      this.#timers.delete(timer);
    };
    return { cancel, [Symbol.dispose]: cancel };
  }

  async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, delayMs, signal);
  }

  /** Moves the time on, firing what falls due on the way. What timers start by promises goes on after this returned. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ dueAt }) => dueAt <= endMs).toSorted((a, b) => a.dueAt - b.dueAt);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = next.dueAt;
      next.callback();
    }
    this.#nowMs = endMs;
  }
}
