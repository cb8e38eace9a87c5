// SPDX-License-Identifier: Apache-2.0

/** How waiting times grow. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Default 2. */
  readonly factor?: number;
  /** Share of each delay that is drawn at random around it, 0 to 1. Default 0.2. */
  readonly jitter?: number;
  /** Source of randomness in [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/** Exponential delays for retries; one per retried thing. */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #nextMs: number;

  constructor(options: BackoffOptions) {
    this.#options = { factor: 2, jitter: 0.2, random: Math.random, ...options };
    this.#nextMs = options.initialMs;
  }

  /** The delay before the next try, in ms. */
  next(): number {
    const { maxMs, factor, jitter, random } = this.#options;
    const base = Math.min(this.#nextMs, maxMs);
    this.#nextMs = Math.min(base * factor, maxMs);
    return Math.min(base * (1 - jitter + 2 * jitter * random()), maxMs);
  }

  /** After a success: the next delay is the first one again. */
  reset(): void {
    this.#nextMs = this.#options.initialMs;
  }
}
