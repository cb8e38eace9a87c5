// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import type { Clock, CounterSeries, Logger } from "@ambientmesh/core";
import type { KubeClient } from "@ambientmesh/kube";
import type { Collection } from "../collections/collection.ts";
import type { PolicyOutcome } from "../model/policy-outcome.ts";
import { ISTIO_RESOURCES } from "../sources/istio-resources.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { POLICY_FIELD_MANAGER, desiredConditions } from "./policy-status.ts";

export interface PolicyStatusWriterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts objects that were given up. */
  readonly failures: CounterSeries;
  readonly objects: Collection<AuthorizationPolicy>;
  readonly outcomes: Collection<PolicyOutcome>;
}

/** Writes to the status of each policy what node proxies make of it, where that differs from what is there. */
export class PolicyStatusWriter {
  readonly #deps: PolicyStatusWriterDeps;
  readonly #queue: KeyedQueue;

  constructor(deps: PolicyStatusWriterDeps) {
    this.#deps = deps;
    this.#queue = new KeyedQueue(deps, { work: (key, signal) => this.#write(key, signal) });
  }

  /** Writes until `signal` aborts: everything first, then what changes, also when others have changed it. */
  async run(signal: AbortSignal): Promise<void> {
    const { objects, outcomes } = this.#deps;
    const enqueue = (changes: readonly { readonly key: string }[]): void => {
      for (const { key } of changes) this.#queue.add(key);
    };
    using _objects = objects.subscribe(enqueue);
    using _outcomes = outcomes.subscribe(enqueue);
    for (const [key] of outcomes.entries()) this.#queue.add(key);
    await this.#queue.run(signal);
  }

  async #write(key: string, signal: AbortSignal): Promise<void> {
    const { client, clock, objects, outcomes, logger } = this.#deps;
    const object = objects.get(key);
    const outcome = outcomes.get(key);
    if (!object || !outcome) return;
    const conditions = desiredConditions(object, outcome.condition, new Date(clock.now()));
    if (!conditions) return;
    const { name, namespace = "" } = object.metadata;
    await client.apply(
      ISTIO_RESOURCES.AuthorizationPolicy,
      { metadata: { name, namespace }, status: { conditions } },
      { fieldManager: POLICY_FIELD_MANAGER, isForced: true, subresource: "status", signal },
    );
    logger.debug("policy status written", {
      policy: key,
      status: conditions[0]?.status,
      reason: conditions[0]?.reason,
    });
  }
}
