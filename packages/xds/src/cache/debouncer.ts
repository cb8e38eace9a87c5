// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "@ambientmesh/core";

/** When changes are published. */
export interface DebounceOptions {
  /** In a storm, publish after this long without a change. Default 100 ms (PILOT_DEBOUNCE_AFTER). 0: at once. */
  readonly quietMs?: number;
  /** A change waits at most this long. Default 10 s (PILOT_DEBOUNCE_MAX). */
  readonly maxMs?: number;
}

/**
 * Decides when collected changes go out. After a quiet time the first change goes out at once, with everything else of
 * the same turn of the event loop; what follows closely is a storm and is merged until it is quiet again.
 */
export class Debouncer implements Disposable {
  readonly #clock: Clock;
  readonly #fire: (waitedMs: number) => void;
  readonly #quietMs: number;
  readonly #maxMs: number;
  #firstAt: number | undefined;
  /** Of a change or a publication. */
  #lastAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #isHeld = false;
  /** Was due while it was held. */
  #isOverdue = false;

  constructor(clock: Clock, options: DebounceOptions, fire: (waitedMs: number) => void) {
    this.#clock = clock;
    this.#fire = fire;
    this.#quietMs = options.quietMs ?? 100;
    this.#maxMs = options.maxMs ?? 10_000;
  }

  /** Something changed. */
  touch(): void {
    const now = this.#clock.monotonicMs();
    const isIdle = this.#firstAt === undefined && now - this.#lastAt >= this.#quietMs;
    this.#lastAt = now;
    if (this.#firstAt !== undefined) return;
    this.#firstAt = now;
    this.#arm(isIdle ? 0 : this.#quietMs, isIdle);
  }

  /** Nothing goes out by itself until what is returned is disposed; what is due by then goes out at once. */
  hold(): Disposable {
    this.#isHeld = true;
    return {
      [Symbol.dispose]: () => {
        this.#isHeld = false;
        if (this.#isOverdue) this.#due(true);
      },
    };
  }

  /** Publishes what waits now. */
  flush(): void {
    this.#timer?.cancel();
    if (this.#firstAt === undefined) return;
    const now = this.#clock.monotonicMs();
    const waitedMs = now - this.#firstAt;
    this.#firstAt = undefined;
    this.#lastAt = now;
    this.#fire(waitedMs);
  }

  /** Forgets what waits. */
  [Symbol.dispose](): void {
    this.#timer?.cancel();
    this.#firstAt = undefined;
  }

  #arm(delayMs: number, isIdle: boolean): void {
    this.#timer = this.#clock.setTimer(delayMs, () => this.#due(isIdle));
  }

  // One timer is set per storm and looks at the last change when it fires, instead of one timer per change.
  #due(isIdle: boolean): void {
    this.#isOverdue = this.#isHeld;
    if (this.#isHeld) return;
    const now = this.#clock.monotonicMs();
    const dueAt = Math.min(this.#lastAt + this.#quietMs, (this.#firstAt ?? now) + this.#maxMs);
    if (isIdle || now >= dueAt) this.flush();
    else this.#arm(dueAt - now, false);
  }
}
