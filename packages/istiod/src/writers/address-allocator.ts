// SPDX-License-Identifier: Apache-2.0
import type { ServiceEntry } from "@ambientmesh/api/istio";
import type { Clock, CounterSeries, Logger } from "@ambientmesh/core";
import { parseObjectKey, type KubeClient } from "@ambientmesh/kube";
import type { Collection } from "../collections/collection.ts";
import { ISTIO_RESOURCES } from "../sources/istio-resources.ts";
import { AddressPool, type PoolRanges } from "./address-pool.ts";
import { KeyedQueue } from "./keyed-queue.ts";

export interface AddressAllocatorDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts objects that were given up. */
  readonly failures: CounterSeries;
  readonly entries: Collection<ServiceEntry>;
}

/** Gives addresses to hosts of ServiceEntries that have none, in the entries' status, so that clients can be told apart what they ask for. */
export class AddressAllocator {
  readonly #deps: AddressAllocatorDeps;
  readonly #ranges: PoolRanges;

  constructor(deps: AddressAllocatorDeps, ranges: PoolRanges) {
    this.#deps = deps;
    this.#ranges = ranges;
  }

  /** Gives until `signal` aborts. Whoever starts knows nothing but what the entries say. */
  async run(signal: AbortSignal): Promise<void> {
    const { entries } = this.#deps;
    const pool = new AddressPool(this.#ranges);
    const queue = new KeyedQueue(this.#deps, { work: (key, stop) => this.#write(key, pool, stop) });
    const follow = (key: string, entry: ServiceEntry | undefined): void => {
      for (const other of [key, ...pool.follow(key, entry)]) queue.add(other);
    };
    using _entries = entries.subscribe((changes) => {
      for (const { key, after } of changes) follow(key, after);
    });
    for (const [key, entry] of entries.entries()) follow(key, entry);
    await queue.run(signal);
  }

  async #write(key: string, pool: AddressPool, signal: AbortSignal): Promise<void> {
    const { client, entries, logger } = this.#deps;
    const entry = entries.get(key);
    const addresses = pool.desired(key);
    if (!entry || !addresses) return;
    // With the version that the decision is based on: who has changed the entry meanwhile is looked at first.
    const { resourceVersion } = entry.metadata;
    const patch = { metadata: { resourceVersion }, status: { addresses } };
    const written = await client.mergePatch(ISTIO_RESOURCES.ServiceEntry, parseObjectKey(key), patch, {
      subresource: "status",
      signal,
    });
    // The next entry must not get the same ones before the watch tells of them.
    pool.follow(key, written);
    logger.debug("addresses given", { serviceEntry: key, addresses: addresses.map(({ value }) => value) });
  }
}
