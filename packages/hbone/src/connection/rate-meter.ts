// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";

/** Shortest time a rate is taken over. */
const MIN_SPAN_MS = 100;

/** How fast a counter has grown lately. It costs nothing but when it is asked. */
export class RateMeter {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #count: () => number;
  #sinceMs: number;
  #since = 0;
  #perSecond = 0;

  constructor(clock: Pick<Clock, "monotonicMs">, count: () => number) {
    this.#clock = clock;
    this.#count = count;
    this.#sinceMs = clock.monotonicMs();
  }

  /** Growth per second since the last time this was asked, or the time before if that was a moment ago. */
  get perSecond(): number {
    const now = this.#clock.monotonicMs();
    const spanMs = now - this.#sinceMs;
    if (spanMs < MIN_SPAN_MS) return this.#perSecond;
    const count = this.#count();
    this.#perSecond = ((count - this.#since) / spanMs) * 1000;
    this.#since = count;
    this.#sinceMs = now;
    return this.#perSecond;
  }
}
