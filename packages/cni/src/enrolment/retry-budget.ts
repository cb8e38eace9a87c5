// SPDX-License-Identifier: Apache-2.0

export interface RetryBudgetOptions {
  /** Retries that may be made at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Spreads the retries of many things over time, beside the back-off that each of them has. */
export class RetryBudget {
  readonly #options: RetryBudgetOptions;
  #tokens: number;
  #atMs: number;

  constructor(options: RetryBudgetOptions, nowMs: number) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#atMs = nowMs;
  }

  /** Takes one retry; how long it has to wait, in ms. */
  reserve(nowMs: number): number {
    const { burst, perSecond } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond) - 1;
    this.#atMs = nowMs;
    return this.#tokens >= 0 ? 0 : (-this.#tokens / perSecond) * 1000;
  }
}
