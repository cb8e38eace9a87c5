// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import {
  TaskGroup,
  noMetrics,
  silentLogger,
  systemClock,
  type Clock,
  type Logger,
  type MeshError,
  type Metrics,
  type Service,
} from "@ambientmesh/core";

import type { Resource } from "../resource.ts";
import { informerMetrics } from "./informer-metrics.ts";
import { MemoryStore } from "./memory-store.ts";
import { Reflector, type ListWatchClient } from "./reflector.ts";
import type { Store } from "./store.ts";
import { stripBookkeeping } from "./strip.ts";

/** Which objects an informer holds. */
export interface InformerOptions<T extends KubernetesObject> {
  readonly resource: Resource<T>;
  /** Default: all namespaces. */
  readonly namespace?: string;
  /** Text form; the API server selects, so that others never travel. */
  readonly labelSelector?: string;
  /** Text form, as `spec.nodeName=n1`. */
  readonly fieldSelector?: string;
  /** Makes an object smaller before it is kept; managed fields and kubectl's copy are gone already. */
  readonly strip?: (object: T) => T;
  /** Objects per page of a list. Default 500. */
  readonly pageSize?: number;
  /** Least duration of a watch, in seconds; twice as much at most. Default 300. */
  readonly watchSeconds?: number;
  /** Between looks for a kind that is not installed, or optional and not permitted, in ms. Default 5000. */
  readonly absentRetryMs?: number;
  /** A kind that may not be read (403) counts as one that is not installed, with a warning. Default: it is waited for. */
  readonly isOptional?: boolean;
  /** Told of each list or watch that failed, before it is tried again. Must not throw. */
  readonly onFailure?: (error: MeshError) => void;
  /** Source of randomness in [0, 1), for delays. Default Math.random. */
  readonly random?: () => number;
}

/** What informers are given. */
export interface InformerDeps {
  readonly client: ListWatchClient;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Default: none. */
  readonly metrics?: Metrics;
}

/**
 * A live copy of the objects of one kind. `start` resolves when the store is filled for the first time; an API server
 * that is not there yet, or a kind that is not installed, is waited for (the latter with an empty store, in the background).
 */
export interface Informer<T extends KubernetesObject> extends Service {
  readonly store: Store<T>;
}

/**
 * Makes an informer.
 *
 * @example
 * const pods = createInformer({ resource: RESOURCES.Pod, fieldSelector: "spec.nodeName=n1" }, { client });
 * pods.store.subscribe((changes) => { for (const { key, after } of changes) { ... } });
 * await pods.start();
 */
export function createInformer<T extends KubernetesObject>(
  options: InformerOptions<T>,
  deps: InformerDeps,
): Informer<T> {
  return new ReflectedInformer(options, deps);
}

class ReflectedInformer<T extends KubernetesObject> implements Informer<T> {
  readonly store: MemoryStore<T>;
  readonly #reflector: Reflector<T>;
  readonly #tasks: TaskGroup;

  constructor(options: InformerOptions<T>, deps: InformerDeps) {
    const { clock = systemClock, metrics = noMetrics } = deps;
    const { resource, strip = (object: T) => object } = options;
    const name = resourceName(resource);
    const logger = (deps.logger ?? silentLogger).child("kube.informer", { resource: name });
    this.store = new MemoryStore(logger);
    this.#reflector = new Reflector<T>(
      {
        pageSize: 500,
        watchSeconds: 300,
        absentRetryMs: 5000,
        isOptional: false,
        onFailure: () => {},
        random: Math.random,
        ...options,
        strip: (object) => strip(stripBookkeeping(object)),
      },
      { client: deps.client, clock, logger, metrics: informerMetrics(metrics, name) },
      this.store,
    );
    this.#tasks = new TaskGroup({ onCrash: (task, error) => logger.error("an informer crashed", { task, error }) });
  }

  async start(signal?: AbortSignal): Promise<void> {
    this.#tasks.run("reflector", (stopping) => this.#reflector.run(stopping));
    try {
      await this.store.whenSynced(signal);
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
  }
}

/** "pods", "deployments.apps". */
function resourceName({ apiVersion, plural }: Resource): string {
  const [group, version] = apiVersion.split("/");
  return version === undefined ? plural : `${plural}.${group}`;
}
