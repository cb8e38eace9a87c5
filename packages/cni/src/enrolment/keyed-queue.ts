// SPDX-License-Identifier: Apache-2.0
import { Backoff, TaskGroup, messageOf, type Clock, type Logger, type Timer } from "@ambientmesh/core";
import { RetryBudget } from "./retry-budget.ts";

/** What to do with a key after its work: nothing, or look at it again later. */
export type WorkResult = { readonly kind: "done" } | { readonly kind: "again"; readonly afterMs: number };

export interface KeyedQueueDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface KeyedQueueOptions {
  /** Brings one thing to its desired state, which it looks up itself. Work on one key never overlaps. */
  readonly work: (key: string, signal: AbortSignal) => Promise<WorkResult>;
  /** Keys worked on at a time. */
  readonly concurrency: number;
  /** Source of randomness in [0, 1), for delays. */
  readonly random?: () => number;
}

interface Item {
  readonly backoff: Backoff;
  /** Not before; monotonic ms. */
  dueMs: number;
  isRunning: boolean;
  /** Added while it was worked on. */
  isDirty: boolean;
}

/** Delays of one key's retries, and of all retries together (Istio's agent has the same). */
const BACKOFF = { initialMs: 5, maxMs: 5000 };
const BUDGET = { burst: 100, perSecond: 10 };

/**
 * Things that have to be looked at, each once however often it is added. Failed work is repeated without end, since
 * what it waits for (a proxy, a namespace) may come at any time.
 */
export class KeyedQueue implements AsyncDisposable {
  readonly #deps: KeyedQueueDeps;
  readonly #options: KeyedQueueOptions;
  readonly #budget: RetryBudget;
  readonly #tasks: TaskGroup;
  readonly #items = new Map<string, Item>();
  #running = 0;
  #isStarted = false;
  #wakeUp: Timer | undefined;

  constructor(deps: KeyedQueueDeps, options: KeyedQueueOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#budget = new RetryBudget(BUDGET, deps.clock.monotonicMs());
    this.#tasks = new TaskGroup({ onCrash: (key, error) => deps.logger.error("the queue failed", { key, error }) });
  }

  /** Keys that wait or are worked on. */
  get size(): number {
    return this.#items.size;
  }

  /** Has the key looked at as soon as possible, also if it was to wait. */
  add(key: string): void {
    const item = this.#items.get(key);
    if (item?.isRunning) item.isDirty = true;
    else if (item) item.dueMs = 0;
    else {
      const { random } = this.#options;
      const backoff = new Backoff({ ...BACKOFF, ...(random && { random }) });
      this.#items.set(key, { backoff, dueMs: 0, isRunning: false, isDirty: false });
    }
    this.#pump();
  }

  /** Before this, keys are only collected. */
  start(): void {
    this.#isStarted = true;
    this.#pump();
  }

  /** Ends the work under way through its signal; keys that wait are forgotten. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStarted = false;
    this.#wakeUp?.cancel();
    await this.#tasks[Symbol.asyncDispose]();
  }

  #pump(): void {
    if (!this.#isStarted) return;
    const nowMs = this.#deps.clock.monotonicMs();
    let nextMs = Infinity;
    for (const [key, item] of this.#items) {
      if (item.isRunning) continue;
      if (item.dueMs > nowMs) nextMs = Math.min(nextMs, item.dueMs);
      else if (this.#running < this.#options.concurrency) this.#begin(key, item);
    }
    this.#wakeUp?.cancel();
    if (nextMs !== Infinity) {
      this.#wakeUp = this.#deps.clock.setTimer(nextMs - nowMs, () => this.#pump(), { background: true });
    }
  }

  #begin(key: string, item: Item): void {
    this.#running++;
    item.isRunning = true;
    item.isDirty = false;
    this.#tasks.run(key, async (signal) => {
      const result = await this.#attempt(key, item, signal);
      this.#running--;
      item.isRunning = false;
      if (item.isDirty) item.dueMs = 0;
      else if (result.kind === "again") item.dueMs = this.#deps.clock.monotonicMs() + result.afterMs;
      else this.#items.delete(key);
      this.#pump();
    });
  }

  async #attempt(key: string, item: Item, signal: AbortSignal): Promise<WorkResult> {
    const { clock, logger } = this.#deps;
    try {
      const result = await this.#options.work(key, signal);
      item.backoff.reset();
      return result;
    } catch (error) {
      const afterMs = Math.max(item.backoff.next(), this.#budget.reserve(clock.monotonicMs()));
      if (!signal.aborted) logger.debug("work failed and will be repeated", { key, afterMs, error: messageOf(error) });
      return { kind: "again", afterMs };
    }
  }
}
