// SPDX-License-Identifier: Apache-2.0
import { messageOf, type Clock, type Logger } from "@ambientmesh/core";
import type { ClientInfo, ResourceFeed, ResourceView } from "../cache/source.ts";
import { publish } from "../diagnostics.ts";
import type { PushJob, PushScheduler } from "./push-scheduler.ts";
import type { ServerMetrics, TypeMetrics } from "./server-metrics.ts";
import { GRPC_STATUS, type ServerStream, type StreamStatus } from "./server-stream.ts";
import type { PlannedResponse, Received, TypeStatus, TypeSubscription } from "./subscription.ts";
import { TypeQueue, type QueuedType } from "./type-queue.ts";

/** The parts of a request that both protocols share. */
export interface TypedRequest {
  readonly typeUrl: string;
  readonly responseNonce: string;
}

/** A type as the sessions of one protocol serve it. */
export interface SessionType<Request> {
  /** Place in the push order. */
  readonly rank: number;
  readonly metrics: TypeMetrics;
  open(client: ClientInfo): ResourceFeed;
  subscribe(view: ResourceView, client: ClientInfo, onChanged: () => void): TypeSubscription<Request>;
}

export interface SessionDeps<Request> {
  readonly stream: ServerStream<Request>;
  readonly client: ClientInfo;
  readonly types: ReadonlyMap<string, SessionType<Request>>;
  readonly scheduler: PushScheduler;
  readonly metrics: ServerMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onClosed: () => void;
}

export interface SessionOptions {
  readonly maxNamesPerType: number;
}

/** A connected client on a debug page. */
export interface ClientStatus {
  readonly client: ClientInfo;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  readonly responsesSent: number;
  readonly bytesSent: number;
  /** How long the response on its way has been waiting for the client to read, 0 if none is. */
  readonly blockedMs: number;
  readonly types: readonly TypeStatus[];
}

interface OpenType<Request> extends QueuedType {
  readonly metrics: TypeMetrics;
  readonly feed: ResourceFeed;
  readonly subscription: TypeSubscription<Request>;
  readonly following: Disposable;
}

interface PendingResponse {
  readonly response: PlannedResponse;
  readonly metrics: TypeMetrics;
}

// Types that we don't serve are named in the log this often per stream.
const MAX_UNKNOWN_TYPES = 8;
// How long an ended stream may take to close before its connection is cut.
const END_GRACE_MS = 5000;

/**
 * One stream of one admitted client: several types, one response on its way at a time. While that one waits for the
 * client to read, changes only move the views' heads; what was missed is worked out when the client is ready again, so
 * a slow client costs no more memory than a fast one.
 */
export class Session<Request extends TypedRequest> implements PushJob {
  readonly #deps: SessionDeps<Request>;
  readonly #options: SessionOptions;
  readonly #open = new Map<string, OpenType<Request>>();
  readonly #queue = new TypeQueue<OpenType<Request>>();
  readonly #unknown = new Set<string>();
  readonly #connectedAt: number;
  #pending: PendingResponse | undefined;
  #inFlight: { readonly size: number; readonly since: number } | undefined;
  #queuedAt: number | undefined;
  #behindSince: number | undefined;
  #responsesSent = 0;
  #bytesSent = 0;
  #isClosed = false;

  constructor(deps: SessionDeps<Request>, options: SessionOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#connectedAt = deps.clock.now();
    deps.stream.closed.addEventListener("abort", () => this.#close(), { once: true });
  }

  get client(): ClientInfo {
    return this.#deps.client;
  }

  /** Takes a request of the client. */
  receive(request: Request): void {
    if (!this.#isClosed) this.#guarded("taking a request", () => this.#receive(request));
  }

  push(): void {
    if (this.#isClosed || this.#inFlight) return;
    const startedAt = this.#deps.clock.monotonicMs();
    if (this.#queuedAt !== undefined) this.#deps.metrics.queueTime.observe((startedAt - this.#queuedAt) / 1000);
    this.#queuedAt = undefined;
    this.#guarded("making a response", () => {
      this.#pending ??= this.#plan();
      if (this.#pending) this.#send(this.#pending, startedAt);
    });
  }

  /** Ends the stream in good order; nothing is sent after what is on its way. */
  end(status: StreamStatus): void {
    if (this.#isClosed) return;
    this.#deps.log.debug("ending a stream", { node: this.client.node.id, ...status });
    this.#close();
    const { stream, clock } = this.#deps;
    stream.end(status);
    const timer = clock.setTimer(END_GRACE_MS, () => stream.abort(), { background: true });
    stream.closed.addEventListener("abort", () => timer.cancel(), { once: true });
  }

  /** Cuts the stream off if the client has not taken a response for `limitMs`. */
  abortIfBlocked(limitMs: number): void {
    const blockedMs = this.#blockedMs();
    if (blockedMs < limitMs) return;
    const { id: node } = this.client.node;
    this.#deps.log.warn("disconnecting a client that does not read", {
      node,
      peer: this.client.peerAddress,
      blockedMs,
    });
    this.#deps.metrics.writeTimeouts.add();
    this.abort();
  }

  /** Ends the stream and its connection at once. */
  abort(): void {
    this.#close();
    this.#deps.stream.abort();
  }

  status(): ClientStatus {
    return {
      client: this.client,
      connectedAt: this.#connectedAt,
      responsesSent: this.#responsesSent,
      bytesSent: this.#bytesSent,
      blockedMs: this.#blockedMs(),
      types: [...this.#open.values()].map(({ subscription }) => subscription.status()),
    };
  }

  #receive(request: Request): void {
    if (request.typeUrl === "") {
      this.end({ code: GRPC_STATUS.INVALID_ARGUMENT, message: "a request on an aggregated stream needs a type_url" });
      return;
    }
    const open = this.#open.get(request.typeUrl) ?? this.#openType(request.typeUrl);
    if (!open) return;
    const received = open.subscription.receive(request, this.#deps.clock.now());
    this.#note(request, open, received);
    if (received.names > this.#options.maxNamesPerType) {
      const limit = `more than ${this.#options.maxNamesPerType} names of ${request.typeUrl}`;
      this.end({ code: GRPC_STATUS.RESOURCE_EXHAUSTED, message: `the client asks for ${limit}` });
    } else if (received.hasChanged) {
      open.feed.subscribed?.(open.subscription);
      this.#schedule();
    }
  }

  #guarded(what: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#deps.metrics.internalErrors.add();
      this.#deps.log.error("a stream failed", { what, error, node: this.client.node.id });
      this.end({ code: GRPC_STATUS.INTERNAL, message: `${what} failed: ${messageOf(error)}` });
    }
  }

  #openType(typeUrl: string): OpenType<Request> | undefined {
    const type = this.#deps.types.get(typeUrl);
    if (!type) {
      this.#noteUnknown(typeUrl);
      return undefined;
    }
    const feed = type.open(this.client);
    const subscription = type.subscribe(feed.view, this.client, () => this.#changed());
    const open: OpenType<Request> = {
      rank: type.rank,
      metrics: type.metrics,
      view: feed.view,
      feed,
      subscription,
      following: feed.view.attach(subscription),
      next: (until) => subscription.next(until),
    };
    this.#open.set(typeUrl, open);
    this.#queue.add(open);
    return open;
  }

  // An empty answer would say that there is nothing of that type, which may open what should be closed.
  #noteUnknown(typeUrl: string): void {
    if (this.#unknown.has(typeUrl) || this.#unknown.size >= MAX_UNKNOWN_TYPES) return;
    this.#unknown.add(typeUrl);
    this.#deps.log.warn("a client asks for a type that is not served", { node: this.client.node.id, typeUrl });
  }

  #note(request: Request, { metrics, subscription }: OpenType<Request>, { verdict }: Received): void {
    if (verdict === "stale") metrics.expiredNonces.add();
    if (verdict !== "nack") return;
    metrics.rejects.add();
    const { lastNack } = subscription.status();
    const { client } = this;
    if (lastNack) publish("ambientmesh.xds.server.nack", { client, typeUrl: request.typeUrl, nack: lastNack });
    this.#deps.log.warn("a client rejected resources", {
      node: client.node.id,
      typeUrl: request.typeUrl,
      nonce: request.responseNonce,
      reason: lastNack?.message,
    });
  }

  #changed(): void {
    this.#behindSince ??= this.#deps.clock.monotonicMs();
    if (!this.#inFlight) this.#schedule();
  }

  #schedule(): void {
    if (this.#isClosed) return;
    this.#queuedAt ??= this.#deps.clock.monotonicMs();
    this.#deps.scheduler.schedule(this);
  }

  #plan(): PendingResponse | undefined {
    const next = this.#queue.next();
    if (next?.step.kind === "response") return { response: next.step, metrics: next.type.metrics };
    if (next) this.#schedule();
    else this.#caughtUp();
    return undefined;
  }

  #caughtUp(): void {
    if (this.#behindSince === undefined) return;
    this.#deps.metrics.convergenceTime.observe((this.#deps.clock.monotonicMs() - this.#behindSince) / 1000);
    this.#behindSince = undefined;
  }

  #send(pending: PendingResponse, startedAt: number): void {
    const { response, metrics } = pending;
    if (!this.#deps.scheduler.acquire(response.size, this)) return;
    this.#pending = undefined;
    this.#inFlight = { size: response.size, since: startedAt };
    const bytes = response.send();
    metrics.pushes.add();
    metrics.configSize.observe(bytes.length);
    metrics.pushTime.observe((this.#deps.clock.monotonicMs() - startedAt) / 1000);
    this.#responsesSent++;
    this.#bytesSent += bytes.length;
    this.#deps.stream.write(bytes, () => this.#flushed());
  }

  #flushed(): void {
    if (!this.#inFlight) return;
    this.#deps.metrics.sendTime.observe(this.#blockedMs() / 1000);
    this.#release();
    this.#schedule();
  }

  #release(): void {
    if (!this.#inFlight) return;
    this.#deps.scheduler.release(this.#inFlight.size);
    this.#inFlight = undefined;
  }

  #blockedMs(): number {
    return this.#inFlight ? this.#deps.clock.monotonicMs() - this.#inFlight.since : 0;
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#release();
    this.#deps.scheduler.cancel(this);
    for (const { following, feed } of this.#open.values()) {
      following[Symbol.dispose]();
      feed[Symbol.dispose]();
    }
    this.#deps.onClosed();
  }
}
