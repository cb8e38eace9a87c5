// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";
import type { Event, KubernetesObject, ObjectReference } from "@ambientmesh/api/kubernetes";
import {
  BoundedQueue,
  TaskGroup,
  messageOf,
  silentLogger,
  systemClock,
  type Clock,
  type Logger,
} from "@ambientmesh/core";
import type { KubeClient } from "../client/kube-client.ts";
import { kubeErrors } from "../errors.ts";
import { RESOURCES, describeObject } from "../resource.ts";

/** What happened to an object, in one sentence for people. */
export interface RecordedEvent {
  readonly type: "Normal" | "Warning";
  /** One word in CamelCase that programs can match. */
  readonly reason: string;
  readonly message: string;
}

/** Tells users of `kubectl describe` and `kubectl get events` what a program did or could not do. */
export interface EventRecorder extends AsyncDisposable {
  /** Never throws and never waits: events are a courtesy, and are dropped when there are too many. */
  record(object: KubernetesObject, event: RecordedEvent): void;
}

/** Whose events they are, and their limits. */
export interface EventRecorderOptions {
  /** The program: "istiod". */
  readonly component: string;
  /** The node, for programs that run on each. */
  readonly host?: string;
  /** Distinct events that wait to be sent. Default 256. */
  readonly capacity?: number;
}

/** What a recorder of events is made with. */
export interface EventRecorderDeps {
  readonly client: KubeClient;
  /** Default: the machine's clock. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly logger?: Logger;
}

/** One event and how often it happened since it was last sent. */
interface Tally {
  readonly object: ObjectReference;
  readonly event: RecordedEvent;
  readonly firstMs: number;
  lastMs: number;
  count: number;
  isWaiting: boolean;
  /** As stored, once it was sent. */
  sent: Event | undefined;
}

// Kubernetes forgets events after an hour; until then the same one is counted up.
const SAME_WITHIN_MS = 60 * 60 * 1000;
const MAX_TALLIES = 1024;
const MAX_MESSAGE = 1024;

/** Makes a recorder: equal events are sent once and counted up. Dispose it to stop; what waits then is dropped. */
export function createEventRecorder(options: EventRecorderOptions, deps: EventRecorderDeps): EventRecorder {
  return new Recorder(options, deps);
}

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #queue: BoundedQueue<Tally>;
  readonly #tallies = new Map<string, Tally>();
  readonly #tasks: TaskGroup;

  constructor(
    options: EventRecorderOptions,
    { client, clock = systemClock, logger = silentLogger }: EventRecorderDeps,
  ) {
    this.#options = options;
    this.#client = client;
    this.#clock = clock;
    this.#logger = logger.child("kube.events");
    this.#queue = new BoundedQueue(options.capacity ?? 256);
    this.#tasks = new TaskGroup({ onCrash: (task, error) => this.#logger.error("events stopped", { task, error }) });
    this.#tasks.run("events", (signal) => this.#run(signal));
  }

  record(object: KubernetesObject, event: RecordedEvent): void {
    const tally = this.#tallyOf(referenceTo(object), event);
    tally.count++;
    tally.lastMs = this.#clock.now();
    if (tally.isWaiting) return;
    tally.isWaiting = this.#queue.push(tally);
    if (!tally.isWaiting) this.#logger.debug("an event was dropped, too many wait", { reason: event.reason });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
  }

  #tallyOf(object: ObjectReference, event: RecordedEvent): Tally {
    const key = JSON.stringify([
      object.uid,
      object.kind,
      object.namespace,
      object.name,
      event.type,
      event.reason,
      event.message,
    ]);
    const now = this.#clock.now();
    const known = this.#tallies.get(key);
    this.#tallies.delete(key);
    const isFresh = known !== undefined && now - known.lastMs < SAME_WITHIN_MS;
    const tally: Tally = isFresh
      ? known
      : { object, event, firstMs: now, lastMs: now, count: 0, isWaiting: false, sent: undefined };
    // The least recently used one goes first.
    this.#tallies.set(key, tally);
    const [oldest] = this.#tallies.keys();
    if (this.#tallies.size > MAX_TALLIES && oldest !== undefined) this.#tallies.delete(oldest);
    return tally;
  }

  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const tally = await this.#queue.pop(signal);
      tally.isWaiting = false;
      try {
        tally.sent = await this.#send(tally, signal);
      } catch (error) {
        if (signal.aborted) return;
        const object = describeObject(tally.object.kind ?? "", {
          name: tally.object.name ?? "",
          namespace: tally.object.namespace,
        });
        this.#logger.warn("an event could not be sent", {
          object,
          reason: tally.event.reason,
          error: messageOf(error),
        });
      }
    }
  }

  async #send(tally: Tally, signal: AbortSignal): Promise<Event> {
    const { sent, count, lastMs } = tally;
    if (sent === undefined) return this.#create(tally, signal);
    try {
      const patch = { count, lastTimestamp: timestamp(lastMs) };
      return await this.#client.mergePatch(RESOURCES.Event, sent.metadata, patch, { signal });
    } catch (error) {
      if (!kubeErrors.is(error, "KUBE_NOT_FOUND")) throw error;
      return this.#create(tally, signal);
    }
  }

  #create({ object, event, count, firstMs, lastMs }: Tally, signal: AbortSignal): Promise<Event> {
    const { component, host } = this.#options;
    const suffix = randomBytes(8).toString("hex");
    return this.#client.create(
      RESOURCES.Event,
      {
        // Events of objects without a namespace live in "default".
        metadata: { namespace: object.namespace ?? "default", name: `${object.name ?? "unknown"}.${suffix}` },
        involvedObject: object,
        type: event.type,
        reason: event.reason,
        message: event.message.slice(0, MAX_MESSAGE),
        count,
        firstTimestamp: timestamp(firstMs),
        lastTimestamp: timestamp(lastMs),
        source: { component, ...(host !== undefined && { host }) },
      },
      { signal },
    );
  }
}

function referenceTo({ apiVersion, kind, metadata }: KubernetesObject): ObjectReference {
  const { name, namespace, uid } = metadata;
  return { apiVersion, kind, name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) };
}

/** RFC 3339 in whole seconds. */
function timestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}
