// SPDX-License-Identifier: Apache-2.0
import { systemClock, type Clock } from "../time/clock.ts";

/** What those who serve see of a drain. */
export interface DrainWatch {
  /** Aborts when no new work may be taken. */
  readonly draining: AbortSignal;
  /** Aborts when work that still runs has to be cut off. */
  readonly forced: AbortSignal;
  /** Keeps the drain waiting until the hold is disposed; disposing twice is harmless. */
  hold(): Disposable;
}

/**
 * The whole shutdown policy in one place: stop accepting, give what runs a deadline, then cut it off.
 * Each listener and connection takes a hold while it lives.
 */
export class Drain implements DrainWatch {
  readonly #draining = new AbortController();
  readonly #forced = new AbortController();
  readonly #released = Promise.withResolvers<void>();
  readonly #clock: Clock;
  #holds = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  get forced(): AbortSignal {
    return this.#forced.signal;
  }

  hold(): Disposable {
    this.#holds++;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        this.#holds--;
        this.#settle();
      },
    };
  }

  /**
   * Begins the drain and resolves when the last hold is gone.
   * After `deadlineMs` (0: at once) {@link forced} aborts. A second call can only bring the deadline forward.
   */
  async begin(deadlineMs: number): Promise<void> {
    this.#draining.abort();
    this.#settle();
    if (deadlineMs <= 0) this.#forced.abort();
    using _timer = this.#clock.setTimer(Math.max(deadlineMs, 0), () => this.#forced.abort());
    await this.#released.promise;
  }

  #settle(): void {
    if (this.#draining.signal.aborted && this.#holds === 0) this.#released.resolve();
  }
}
