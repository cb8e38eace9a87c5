// SPDX-License-Identifier: Apache-2.0
import type { CircuitBreakers, CircuitBreakers_Thresholds as Thresholds } from "@ambientmesh/api/envoy/cluster";
import { RoutingPriority } from "@ambientmesh/api/envoy/core";

/** Something of which there may be so many at a time. */
export class Counted {
  readonly #limit: () => number;
  #count = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.#limit();
  }

  /** Counts one more even if there are too many. The result takes it back; doing so twice is harmless. */
  take(): Disposable {
    this.#count++;
    let isTaken = true;
    return {
      [Symbol.dispose]: () => {
        if (isTaken) this.#count--;
        isTaken = false;
      },
    };
  }

  /** Counts one more, or undefined where there are as many as may be. */
  tryTake(): Disposable | undefined {
    return this.isFull ? undefined : this.take();
  }
}

/** Envoy's defaults. */
const DEFAULTS = { connections: 1024, pending: 1024, requests: 1024, retries: 3 };
const BUDGET_PERCENT = 20;
const BUDGET_MIN = 3;

/** What a cluster may have under way at a time, for one priority of routes. */
export class CircuitBreaker {
  readonly connections: Counted;
  readonly pending: Counted;
  readonly requests: Counted;
  readonly retries: Counted;

  constructor(thresholds: Thresholds | undefined) {
    const { maxConnections, maxPendingRequests, maxRequests, maxRetries, retryBudget } = thresholds ?? {};
    this.connections = new Counted(() => maxConnections ?? DEFAULTS.connections);
    this.pending = new Counted(() => maxPendingRequests ?? DEFAULTS.pending);
    this.requests = new Counted(() => maxRequests ?? DEFAULTS.requests);
    const percent = retryBudget?.budgetPercent?.value ?? BUDGET_PERCENT;
    const least = retryBudget?.minRetryConcurrency ?? BUDGET_MIN;
    const budget = (): number =>
      Math.max(least, Math.floor(((this.requests.count + this.pending.count) * percent) / 100));
    this.retries = new Counted(retryBudget ? budget : () => maxRetries ?? DEFAULTS.retries);
  }
}

/** The breakers of a cluster by priority of the route. */
export interface CircuitBreakerPair {
  readonly default: CircuitBreaker;
  readonly high: CircuitBreaker;
}

export function compileCircuitBreakers(breakers: CircuitBreakers | undefined): CircuitBreakerPair {
  const of = (priority: RoutingPriority): CircuitBreaker =>
    new CircuitBreaker(breakers?.thresholds.find((thresholds) => thresholds.priority === priority));
  return { default: of(RoutingPriority.DEFAULT), high: of(RoutingPriority.HIGH) };
}
