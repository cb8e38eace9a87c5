// SPDX-License-Identifier: Apache-2.0
import type { Clock, Timer } from "@ambientmesh/core";

/** A timer that begins again with each sign of life, without a new timer for each. */
export class IdleTimer implements Disposable {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onIdle: () => void;
  #activeMs: number;
  #timer: Timer;

  constructor(clock: Clock, limitMs: number, onIdle: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onIdle = onIdle;
    this.#activeMs = clock.monotonicMs();
    this.#timer = clock.setTimer(limitMs, () => this.#check());
  }

  touch(): void {
    this.#activeMs = this.#clock.monotonicMs();
  }

  [Symbol.dispose](): void {
    this.#timer.cancel();
  }

  #check(): void {
    const left = this.#activeMs + this.#limitMs - this.#clock.monotonicMs();
    if (left <= 0) this.#onIdle();
    else this.#timer = this.#clock.setTimer(left, () => this.#check());
  }
}
