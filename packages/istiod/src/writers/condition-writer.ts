// SPDX-License-Identifier: Apache-2.0
import type { Clock, CounterSeries, Logger } from "@ambientmesh/core";
import { RESOURCES, parseObjectKey, type KubeClient, type Resource } from "@ambientmesh/kube";
import type { MeshModel } from "../model/mesh-model.ts";
import { conditionsOf, type StatusKind } from "../model/model-statuses.ts";
import { WAYPOINT_BOUND, WAYPOINT_MISSING } from "../model/waypoint-condition.ts";
import { ISTIO_RESOURCES } from "../sources/istio-resources.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { desiredConditions, type ConditionedObject } from "./object-conditions.ts";

export interface ConditionWriterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts objects that were given up. */
  readonly failures: CounterSeries;
  readonly model: MeshModel;
}

/** What of a collection is needed here, whatever is in it. */
interface Changing {
  subscribe(listener: (changes: readonly { readonly key: string }[]) => void): Disposable;
}

interface ConditionedObjects extends Changing {
  get(key: string): ConditionedObject | undefined;
  entries(): Iterable<readonly [string, ConditionedObject]>;
}

interface StatusTarget {
  readonly resource: Resource<ConditionedObject>;
  /** Owner of our conditions in server-side apply (Istio 1.31). */
  readonly fieldManager: string;
  /** Types of conditions that are ours. */
  readonly types: ReadonlySet<string>;
  readonly objects: (model: MeshModel) => ConditionedObjects;
  /** Changes with what is to be said. */
  readonly facts: (model: MeshModel) => Changing;
}

const TARGETS: Readonly<Record<StatusKind, StatusTarget>> = {
  AuthorizationPolicy: {
    resource: ISTIO_RESOURCES.AuthorizationPolicy,
    fieldManager: "istio-ambient-ztunnel-policy",
    types: new Set(["ZtunnelAccepted"]),
    objects: ({ sources }) => sources.authorizationPolicies,
    facts: ({ policies }) => policies,
  },
  Service: {
    resource: RESOURCES.Service,
    fieldManager: "istio-ambient-service",
    types: new Set([WAYPOINT_BOUND]),
    objects: ({ sources }) => sources.services,
    facts: ({ bindings }) => bindings.services,
  },
  ServiceEntry: {
    resource: ISTIO_RESOURCES.ServiceEntry,
    fieldManager: "istio-ambient-service",
    types: new Set([WAYPOINT_BOUND, WAYPOINT_MISSING]),
    objects: ({ sources }) => sources.serviceEntries,
    facts: ({ bindings }) => bindings.serviceEntries,
  },
  WorkloadEntry: {
    resource: ISTIO_RESOURCES.WorkloadEntry,
    fieldManager: "istio-ambient-workloadentry",
    types: new Set([WAYPOINT_BOUND]),
    objects: ({ sources }) => sources.workloadEntries,
    facts: ({ bindings }) => bindings.workloadEntries,
  },
};

/** Kinds whose status is written. */
export const STATUS_KINDS: readonly StatusKind[] = Object.keys(TARGETS) as StatusKind[];

/** Writes to the status of each object of a kind what the mesh makes of it, where that differs from what is there. */
export class ConditionWriter {
  readonly #deps: ConditionWriterDeps;
  readonly #kind: StatusKind;
  readonly #target: StatusTarget;
  readonly #queue: KeyedQueue;

  constructor(deps: ConditionWriterDeps, kind: StatusKind) {
    this.#deps = deps;
    this.#kind = kind;
    this.#target = TARGETS[kind];
    this.#queue = new KeyedQueue(deps, { work: (key, signal) => this.#write(key, signal) });
  }

  /** Writes until `signal` aborts: everything first, then what changes, also when others have changed it. */
  async run(signal: AbortSignal): Promise<void> {
    const objects = this.#target.objects(this.#deps.model);
    const facts = this.#target.facts(this.#deps.model);
    using _objects = objects.subscribe((changes) => {
      for (const { key } of changes) this.#addIfDifferent(key);
    });
    using _facts = facts.subscribe((changes) => {
      for (const { key } of changes) this.#addIfDifferent(key);
    });
    for (const [key] of objects.entries()) this.#addIfDifferent(key);
    await this.#queue.run(signal);
  }

  /** Most objects of some kinds never have anything to be written. */
  #addIfDifferent(key: string): void {
    if (this.#desired(key)) this.#queue.add(key);
  }

  #desired(key: string): ReturnType<typeof desiredConditions> {
    const { model, clock } = this.#deps;
    const object = this.#target.objects(model).get(key);
    if (!object) return undefined;
    const conditions = conditionsOf(model, this.#kind, key);
    return desiredConditions(object, conditions, this.#target.types, new Date(clock.now()));
  }

  async #write(key: string, signal: AbortSignal): Promise<void> {
    const conditions = this.#desired(key);
    if (!conditions) return;
    const { resource, fieldManager } = this.#target;
    const { name, namespace = "" } = parseObjectKey(key);
    await this.#deps.client.apply(
      resource,
      { metadata: { name, namespace }, status: { conditions } },
      { fieldManager, isForced: true, subresource: "status", signal },
    );
    const [first] = conditions;
    this.#deps.logger.debug("status written", {
      object: `${this.#kind} ${key}`,
      status: first?.status,
      reason: first?.reason,
    });
  }
}
