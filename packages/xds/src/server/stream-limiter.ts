// SPDX-License-Identifier: Apache-2.0

/** How many streams may begin. */
export interface StreamLimit {
  /** Streams per second on average; as many may begin at once. */
  readonly perSecond: number;
  /** A stream that would have to wait longer is refused. Default 1000 ms, as in istiod. */
  readonly maxWaitMs?: number;
}

/** Spreads new streams evenly (token bucket), so that a mass reconnect can't take the whole server. */
export class StreamLimiter {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #maxWaitMs: number;
  #tokens: number;
  #at: number;

  constructor(limit: StreamLimit, now: number) {
    this.#perMs = limit.perSecond / 1000;
    this.#burst = Math.max(1, limit.perSecond);
    this.#maxWaitMs = limit.maxWaitMs ?? 1000;
    this.#tokens = this.#burst;
    this.#at = now;
  }

  /** Reserves a place: milliseconds to wait before it may be used, or undefined if that is too long. */
  reserve(now: number): number | undefined {
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#at) * this.#perMs);
    this.#at = now;
    const waitMs = this.#tokens >= 1 ? 0 : (1 - this.#tokens) / this.#perMs;
    if (waitMs > this.#maxWaitMs) return undefined;
    this.#tokens--;
    return waitMs;
  }
}
