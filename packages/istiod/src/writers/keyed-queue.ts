// SPDX-License-Identifier: Apache-2.0
import { Backoff, isMeshError, messageOf, type Clock, type CounterSeries, type Logger } from "@ambientmesh/core";

export interface KeyedQueueDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts keys that were given up. */
  readonly failures: CounterSeries;
}

export interface KeyedQueueOptions {
  /** Brings one object to its desired state, which it looks up itself; called for one key at a time. */
  readonly work: (key: string, signal: AbortSignal) => Promise<void>;
  /** Default 5, as in Istio; the next change of the object begins anew. */
  readonly maxAttempts?: number;
}

interface Attempt {
  count: number;
  readonly backoff: Backoff;
  /** Not before; monotonic ms. */
  dueAt: number;
}

/** Between two looks at one object: whoever keeps changing it back must not keep us busy. */
const PAUSE_MS = 1000;

/** Objects that have to be looked at, each once however often it is added; failures are repeated with growing delays. */
export class KeyedQueue {
  readonly #deps: KeyedQueueDeps;
  readonly #options: Required<KeyedQueueOptions>;
  readonly #waiting = new Map<string, Attempt>();
  /** When keys were worked on within the last {@link PAUSE_MS}; oldest first. */
  readonly #recent = new Map<string, number>();
  #wake = Promise.withResolvers<void>();

  constructor(deps: KeyedQueueDeps, options: KeyedQueueOptions) {
    this.#deps = deps;
    this.#options = { maxAttempts: 5, ...options };
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    const backoff = new Backoff({ initialMs: 100, maxMs: 30_000 });
    this.#waiting.set(key, { count: 0, backoff, dueAt: (this.#recent.get(key) ?? -PAUSE_MS) + PAUSE_MS });
    this.#wake.resolve();
  }

  /** Works until `signal` aborts; what is left stays for the next run. */
  async run(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => this.#wake.resolve();
    signal.addEventListener("abort", onAbort);
    try {
      while (!signal.aborted) {
        this.#wake = Promise.withResolvers();
        const [key, attempt] = this.#nextDue() ?? [];
        if (key !== undefined && attempt) await this.#try(key, attempt, signal);
        else await this.#pause();
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #nextDue(): [string, Attempt] | undefined {
    const now = this.#deps.clock.monotonicMs();
    for (const entry of this.#waiting) if (entry[1].dueAt <= now) return entry;
    return undefined;
  }

  async #try(key: string, attempt: Attempt, signal: AbortSignal): Promise<void> {
    this.#waiting.delete(key);
    try {
      await this.#options.work(key, signal);
      this.#noteDone(key);
    } catch (error) {
      // Added again meanwhile: that attempt counts.
      if (this.#waiting.has(key)) return;
      if (!signal.aborted) this.#failed(key, attempt, error);
      if (signal.aborted || attempt.count < this.#options.maxAttempts) this.#waiting.set(key, attempt);
    }
  }

  #noteDone(key: string): void {
    const now = this.#deps.clock.monotonicMs();
    this.#recent.delete(key);
    this.#recent.set(key, now);
    for (const [old, at] of this.#recent) {
      if (now - at < PAUSE_MS) return;
      this.#recent.delete(old);
    }
  }

  #failed(key: string, attempt: Attempt, error: unknown): void {
    const { clock, logger, failures } = this.#deps;
    // An API server that is away is no fault of the object; the attempts are for refusals.
    if (!isMeshError(error) || !error.retryable) attempt.count++;
    attempt.dueAt = clock.monotonicMs() + attempt.backoff.next();
    const isGivenUp = attempt.count >= this.#options.maxAttempts;
    if (isGivenUp) failures.add();
    logger.warn(isGivenUp ? "write given up" : "write failed, trying again", { key, reason: messageOf(error) });
  }

  async #pause(): Promise<void> {
    const { clock } = this.#deps;
    const dueAt = Math.min(...[...this.#waiting.values()].map((attempt) => attempt.dueAt));
    using _timer = Number.isFinite(dueAt)
      ? clock.setTimer(dueAt - clock.monotonicMs(), () => this.#wake.resolve(), { background: true })
      : undefined;
    await this.#wake.promise;
  }
}
