// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { Backoff, isMeshError, toMeshError, type Clock, type Logger, type MeshError } from "@ambientmesh/core";
import type { KubeClient } from "../client/kube-client.ts";
import type { WatchEvent } from "../client/watch-stream.ts";

import { deepFreeze } from "../json/json.ts";
import { objectKey, type Resource } from "../resource.ts";
import { changesOfEvents, changesToList } from "./diff.ts";
import type { InformerMetrics } from "./informer-metrics.ts";
import type { MemoryStore } from "./memory-store.ts";

/** What of a client informers need. */
export type ListWatchClient = Pick<KubeClient, "listPage" | "watch">;

/** What is mirrored, and how. */
export interface ReflectorOptions<T extends KubernetesObject> {
  readonly resource: Resource<T>;
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Makes an object smaller before it is kept. */
  readonly strip: (object: T) => T;
  readonly pageSize: number;
  /** Each watch is asked to end after this time and up to as much again, in seconds. */
  readonly watchSeconds: number;
  /** Between looks for a kind that is not installed or not permitted, in ms. */
  readonly absentRetryMs: number;
  /** True: a kind that may not be read counts as one that is not installed. */
  readonly isOptional: boolean;
  /** Told of each list or watch that failed. */
  readonly onFailure: (error: MeshError) => void;
  /** Source of randomness in [0, 1). */
  readonly random: () => number;
}

export interface ReflectorDeps {
  readonly client: ListWatchClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: InformerMetrics;
}

// How long after its promised end a silent watch is taken for dead.
const WATCH_GRACE_MS = 30_000;
// A watch that ends sooner without an event did not work, whatever the server said.
const SHORT_WATCH_MS = 1000;
// An API server that starts may not know a CRD yet: its objects are gone only if it says so again and again.
const ABSENCES_TO_BELIEVE = 3;

/** Keeps a store equal to what an API server has: lists, then watches, and starts again from where it was. */
export class Reflector<T extends KubernetesObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #deps: ReflectorDeps;
  readonly #store: MemoryStore<T>;
  readonly #backoff: Backoff;
  #pageSize: number;
  #version: string | undefined;
  #absences = 0;
  #isForbidden = false;

  constructor(options: ReflectorOptions<T>, deps: ReflectorDeps, store: MemoryStore<T>) {
    this.#options = options;
    this.#deps = deps;
    this.#store = store;
    this.#pageSize = options.pageSize;
    this.#backoff = new Backoff({ initialMs: 200, maxMs: 30_000, jitter: 0.5, random: options.random });
  }

  /** Runs until the signal aborts; nothing that happens at the API server ends it. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.#version ??= await this.#list(signal);
        await this.#watch(this.#version, signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#recover(toMeshError(error), signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { resource, namespace, labelSelector, fieldSelector } = this.#options;
    const listed = new Map<string, T>();
    let token: string | undefined;
    let version = "";
    do {
      const query = { namespace, labelSelector, fieldSelector, limit: this.#pageSize, continue: token, signal };
      const page = await this.#deps.client.listPage(resource, query);
      for (const item of page.items) listed.set(objectKey(item.metadata), this.#prepared(item));
      version = page.metadata.resourceVersion ?? "";
      token = page.metadata.continue === "" ? undefined : page.metadata.continue;
    } while (token !== undefined);
    this.#absences = 0;
    this.#isForbidden = false;
    this.#backoff.reset();
    this.#store.commit(changesToList(this.#store, listed));
    this.#markSynced();
    this.#deps.metrics.lists.add();
    return version;
  }

  async #watch(from: string, signal: AbortSignal): Promise<void> {
    const { resource, namespace, labelSelector, fieldSelector, watchSeconds, random } = this.#options;
    const { client, clock } = this.#deps;
    const timeoutSeconds = Math.round(watchSeconds * (1 + random()));
    const overdue = new AbortController();
    using _timer = clock.setTimer(timeoutSeconds * 1000 + WATCH_GRACE_MS, () => overdue.abort(), { background: true });
    const query = { namespace, labelSelector, fieldSelector, resourceVersion: from, timeoutSeconds };
    const beganMs = clock.monotonicMs();
    using stream = await client.watch(resource, { ...query, signal: AbortSignal.any([signal, overdue.signal]) });
    let hasEvents = false;
    for await (const events of stream) {
      hasEvents = true;
      this.#backoff.reset();
      this.#take(events);
    }
    if (!hasEvents && clock.monotonicMs() - beganMs < SHORT_WATCH_MS) await this.#pause(signal);
  }

  #take(events: readonly WatchEvent<T>[]): void {
    const prepared = events.map((event) =>
      event.type === "BOOKMARK" ? event : { type: event.type, object: this.#prepared(event.object) },
    );
    this.#store.commit(changesOfEvents(this.#store, prepared));
    this.#deps.metrics.events.add(events.length);
    this.#deps.metrics.objects.set(this.#store.size);
    const last = prepared.at(-1);
    if (last === undefined) return;
    this.#version = last.type === "BOOKMARK" ? last.resourceVersion : last.object.metadata.resourceVersion;
  }

  #prepared(object: T): T {
    return deepFreeze(this.#options.strip(object));
  }

  async #recover(error: MeshError, signal: AbortSignal): Promise<void> {
    const { logger, metrics } = this.#deps;
    metrics.failures(error.code);
    this.#options.onFailure(error);
    if (error.code === "KUBE_NOT_FOUND") {
      await this.#onAbsent(signal);
      return;
    }
    if (error.code === "KUBE_FORBIDDEN" && this.#options.isOptional) {
      await this.#onForbidden(error, signal);
      return;
    }
    if (error.code === "KUBE_RESPONSE_TOO_LARGE") this.#pageSize = Math.max(1, Math.floor(this.#pageSize / 4));
    if (mustListAgain(error)) {
      this.#version = undefined;
      logger.info("a list or watch is too old to go on, listing again", { reason: error.message });
    } else logger.warn("a list or watch failed, trying again", { code: error.code, error: error.message });
    await this.#pause(signal, error);
  }

  /** The kind is not installed (any more): an empty store, until it is. */
  async #onAbsent(signal: AbortSignal): Promise<void> {
    this.#version = undefined;
    this.#absences++;
    const isBelieved = this.#store.size === 0 || this.#absences >= ABSENCES_TO_BELIEVE;
    if (!isBelieved) {
      await this.#pause(signal);
      return;
    }
    if (this.#absences === 1 || this.#store.size > 0)
      this.#deps.logger.info("the kind is not installed, waiting for it");
    this.#store.commit(changesToList(this.#store, new Map()));
    this.#markSynced();
    await this.#sleep(this.#options.absentRetryMs, signal);
  }

  /** What was read before permission was taken away stays: nobody said that the objects are gone. */
  async #onForbidden(error: MeshError, signal: AbortSignal): Promise<void> {
    this.#version = undefined;
    const { absentRetryMs } = this.#options;
    if (!this.#isForbidden) {
      const consequence = this.#store.isSynced ? "what was read stays as it is" : "going on without it";
      this.#deps.logger.warn(`the kind may not be read, ${consequence}: grant get, list and watch by RBAC`, {
        error: error.message,
        retryMs: absentRetryMs,
      });
    }
    this.#isForbidden = true;
    this.#markSynced();
    await this.#sleep(absentRetryMs, signal);
  }

  #markSynced(): void {
    this.#deps.metrics.objects.set(this.#store.size);
    this.#store.markSynced();
  }

  async #pause(signal: AbortSignal, error?: MeshError): Promise<void> {
    const asked = error?.details["retryAfterMs"];
    await this.#sleep(Math.max(this.#backoff.next(), typeof asked === "number" ? asked : 0), signal);
  }

  async #sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.clock.sleep(delayMs, signal);
    } catch (error) {
      // The loop sees the signal itself.
      if (!isMeshError(error, "ABORTED")) throw error;
    }
  }
}

/** Too old, or from the future: of a server that has been reset, or of a replica that is behind. */
function mustListAgain(error: MeshError): boolean {
  if (error.code === "KUBE_EXPIRED") return true;
  const { causes } = error.details;
  return (
    Array.isArray(causes) &&
    causes.some((cause: { readonly reason?: string }) => cause.reason === "ResourceVersionTooLarge")
  );
}
