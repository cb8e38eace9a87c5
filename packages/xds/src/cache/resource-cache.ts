// SPDX-License-Identifier: Apache-2.0
import { noMetrics, type Clock, type HistogramSeries, type Metrics } from "@ambientmesh/core";
import { Debouncer, type DebounceOptions } from "./debouncer.ts";
import { ResourceStore } from "./resource-store.ts";

/** What a cache is made with. */
export interface ResourceCacheDeps {
  readonly clock: Clock;
  readonly metrics?: Metrics;
}

/**
 * Stores of several types that publish together: clients see a change of one type and what belongs to it in another
 * type in the same push, in the server's type order.
 */
export class ResourceCache implements Disposable {
  readonly #stores = new Map<string, ResourceStore>();
  readonly #own = new Set<ResourceStore>();
  readonly #debouncer: Debouncer;
  readonly #waited: HistogramSeries;

  constructor(deps: ResourceCacheDeps, options: DebounceOptions = {}) {
    this.#debouncer = new Debouncer(deps.clock, options, (waitedMs) => this.#publish(waitedMs));
    this.#waited = (deps.metrics ?? noMetrics)
      .histogram({
        name: "pilot_debounce_time",
        help: "Seconds between the first change and the push it went out with.",
        buckets: [0.01, 0.1, 1, 3, 5, 10, 20, 30],
      })
      .with({});
  }

  /** The store of a type that all clients share, made at the first call. */
  store(typeUrl: string): ResourceStore {
    let store = this.#stores.get(typeUrl);
    if (!store) {
      store = this.#create(typeUrl);
      this.#stores.set(typeUrl, store);
    }
    return store;
  }

  /** A store for one client or group of clients, published with the others until it is released. */
  createStore(typeUrl: string): ResourceStore {
    const store = this.#create(typeUrl);
    this.#own.add(store);
    return store;
  }

  /** Ends {@link createStore}; what is pending in the store is never published. */
  releaseStore(store: ResourceStore): void {
    this.#own.delete(store);
  }

  /** Publishes everything now, for the end of an initial sync and for tests. */
  flush(): void {
    this.#debouncer.flush();
  }

  /** Publishes nothing by itself until what is returned is disposed: more of the same change is to come. */
  hold(): Disposable {
    return this.#debouncer.hold();
  }

  [Symbol.dispose](): void {
    this.#debouncer[Symbol.dispose]();
  }

  #create(typeUrl: string): ResourceStore {
    return new ResourceStore(typeUrl, { onPending: () => this.#debouncer.touch() });
  }

  #publish(waitedMs: number): void {
    this.#waited.observe(waitedMs / 1000);
    for (const store of this.#stores.values()) store.publish();
    for (const store of this.#own) store.publish();
  }
}
