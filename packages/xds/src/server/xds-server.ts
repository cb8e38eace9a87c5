// SPDX-License-Identifier: Apache-2.0
import type { DeltaDiscoveryRequest, DiscoveryRequest, Node } from "@ambientmesh/api/discovery";
import {
  messageOf,
  noMetrics,
  silentLogger,
  type Clock,
  type Logger,
  type Metrics,
  type Timer,
} from "@ambientmesh/core";
import type { ClientInfo, ResourceSource } from "../cache/source.ts";
import { publish } from "../diagnostics.ts";
import { admit, type Admitted } from "./admission.ts";
import { DeltaSubscription } from "./delta-subscription.ts";
import type { DeltaPlan } from "./delta-plan.ts";
import type { Authenticate, Authorize } from "./hooks.ts";
import { PushScheduler, type PushSchedulerOptions } from "./push-scheduler.ts";
import { serverMetrics, type ServerMetrics } from "./server-metrics.ts";
import { GRPC_STATUS, type ServerStream } from "./server-stream.ts";
import { Session, type ClientStatus, type SessionType, type TypedRequest } from "./session.ts";
import { SharedPlans } from "./shared-plans.ts";
import { SotwSubscription, type SotwPlan } from "./sotw-subscription.ts";
import { StreamLimiter, type StreamLimit } from "./stream-limiter.ts";

/** A type the server offers. */
export interface ServedType {
  readonly typeUrl: string;
  readonly source: ResourceSource;
  /** Value of the metrics label `type`. Default: what follows the last dot of the type URL. */
  readonly label?: string;
  /**
   * Names that every client asking by name gets without asking, such as the group key of what runs on its node.
   * Looked up once per client.
   */
  readonly implicitNames?: (client: ClientInfo) => Iterable<string>;
  /** Delta responses are split at about this size; default {@link XdsServerOptions.maxResponseBytes}. */
  readonly maxResponseBytes?: number;
}

/** What a server is made with. */
export interface XdsServerDeps {
  readonly clock: Clock;
  readonly log?: Logger;
  readonly metrics?: Metrics;
  /** Default setImmediate. */
  readonly defer?: (callback: () => void) => void;
}

/** What a server serves, and its limits. */
export interface XdsServerOptions<Identity> extends PushSchedulerOptions {
  /** In push order: what comes first here is sent first to each client. */
  readonly types: readonly ServedType[];
  /** Default: everybody who was authenticated may be any node. */
  readonly authorize?: Authorize<Identity>;
  /** Default: no limit. */
  readonly newStreams?: StreamLimit;
  /** Delta responses are split at about this size. Default 3 MiB, below what gRPC clients take by default. */
  readonly maxResponseBytes?: number;
  /** Bound on responses kept for other clients that need the same. Default 32 MiB. */
  readonly maxSharedBytes?: number;
  /** A client that does not take a response for this long is disconnected. Default 30 s. */
  readonly writeTimeoutMs?: number;
  /** A stream on which no request comes for this long is ended. Default 10 s. */
  readonly firstRequestTimeoutMs?: number;
  /** A client that asks for more names of one type is refused. Default 100,000. */
  readonly maxNamesPerType?: number;
  /** Value of the label `version` of the gauge `pilot_xds`. Default: node metadata ISTIO_VERSION. */
  readonly versionOf?: (node: Node) => string;
}

/** How streams are ended. */
export interface DrainOptions {
  /** Streams are ended evenly over this time, so that clients don't all come back at once. Default 0. */
  readonly spreadMs?: number;
}

/** What a transport needs of a server. */
export type StreamAcceptor<Identity> = Pick<XdsServer<Identity>, "acceptDelta" | "acceptSotw">;

const DEFAULTS = {
  maxResponseBytes: 3 * 1024 * 1024,
  maxSharedBytes: 32 * 1024 * 1024,
  writeTimeoutMs: 30_000,
  firstRequestTimeoutMs: 10_000,
  maxNamesPerType: 100_000,
};

/**
 * Serves aggregated discovery to any number of streams. Knows no resource type and no transport: streams are given to
 * it by {@link acceptDelta} and {@link acceptSotw}.
 *
 * @typeParam Identity what the authenticator makes of a caller
 */
export class XdsServer<Identity = unknown> implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #options: XdsServerOptions<Identity> & typeof DEFAULTS;
  readonly #metrics: ServerMetrics;
  readonly #scheduler: PushScheduler;
  readonly #limiter: StreamLimiter | undefined;
  readonly #deltaTypes = new Map<string, SessionType<DeltaDiscoveryRequest>>();
  readonly #sotwTypes = new Map<string, SessionType<DiscoveryRequest>>();
  readonly #sessions = new Set<Pick<Session<TypedRequest>, "status" | "end" | "abort" | "abortIfBlocked">>();
  readonly #sweeper: Timer[] = [];
  readonly #connected = new Map<string, number>();
  #closedBecause: string | undefined = "the server is starting";
  #streams = 0;

  constructor(deps: XdsServerDeps, options: XdsServerOptions<Identity>) {
    const { clock, defer = (callback) => void setImmediate(callback) } = deps;
    this.#clock = clock;
    this.#log = deps.log ?? silentLogger;
    this.#options = { ...DEFAULTS, ...options };
    this.#metrics = serverMetrics(deps.metrics ?? noMetrics);
    this.#scheduler = new PushScheduler({ monotonicMs: () => clock.monotonicMs(), defer }, options);
    this.#limiter = options.newStreams && new StreamLimiter(options.newStreams, clock.monotonicMs());
    const deltaPlans = new SharedPlans<DeltaPlan>(this.#options.maxSharedBytes);
    const sotwPlans = new SharedPlans<SotwPlan>(this.#options.maxSharedBytes);
    for (const [rank, type] of options.types.entries()) this.#serve(type, { rank, deltaPlans, sotwPlans });
  }

  /** Streams are refused (UNAVAILABLE) until this is called: call it when every source has synced. */
  markReady(): void {
    if (this.#closedBecause !== "the server is starting") return;
    this.#closedBecause = undefined;
    this.#sweep();
  }

  /** Takes a delta stream. Resolves when it is admitted or refused; never rejects. */
  acceptDelta(stream: ServerStream<DeltaDiscoveryRequest>, authenticate: Authenticate<Identity>): Promise<void> {
    return this.#accept(stream, authenticate, { protocol: "delta", types: this.#deltaTypes });
  }

  /** Takes a state-of-the-world stream. Resolves when it is admitted or refused; never rejects. */
  acceptSotw(stream: ServerStream<DiscoveryRequest>, authenticate: Authenticate<Identity>): Promise<void> {
    return this.#accept(stream, authenticate, { protocol: "sotw", types: this.#sotwTypes });
  }

  /** Connected clients, in the order they came; made for each call. */
  clients(): ClientStatus[] {
    return [...this.#sessions].map((session) => session.status());
  }

  get clientCount(): number {
    return this.#sessions.size;
  }

  /** Refuses new streams and ends all others; resolves when each has been told. */
  async drain(options: DrainOptions = {}, signal?: AbortSignal): Promise<void> {
    this.#closedBecause = "the server is draining";
    const sessions = [...this.#sessions];
    const pauseMs = (options.spreadMs ?? 0) / Math.max(1, sessions.length);
    for (const session of sessions) {
      // Istio's ztunnel takes "transport is closing" for a planned reconnect and does not back off.
      session.end({ code: GRPC_STATUS.UNAVAILABLE, message: "the server is draining, transport is closing" });
      if (pauseMs > 0) await this.#clock.sleep(pauseMs, signal);
    }
  }

  /** Ends every stream now. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
    for (const timer of this.#sweeper.splice(0)) timer.cancel();
  }

  #serve(type: ServedType, { rank, deltaPlans, sotwPlans }: Shared): void {
    const { typeUrl, source, implicitNames = () => [] } = type;
    const metrics = this.#metrics.ofType(type.label ?? typeUrl.slice(typeUrl.lastIndexOf(".") + 1));
    const maxResponseBytes = type.maxResponseBytes ?? this.#options.maxResponseBytes;
    const common = { rank, metrics, open: (client: ClientInfo) => source.open(client) };
    this.#deltaTypes.set(typeUrl, {
      ...common,
      subscribe: (view, client, onChanged) =>
        new DeltaSubscription({
          view,
          shared: deltaPlans,
          maxResponseBytes,
          implicitNames: implicitNames(client),
          onChanged,
        }),
    });
    this.#sotwTypes.set(typeUrl, {
      ...common,
      subscribe: (view, _client, onChanged) => new SotwSubscription({ view, shared: sotwPlans, onChanged }),
    });
  }

  async #accept<Request extends TypedRequest & { readonly node?: Node | undefined }>(
    stream: ServerStream<Request>,
    authenticate: Authenticate<Identity>,
    kind: { readonly protocol: ClientInfo["protocol"]; readonly types: ReadonlyMap<string, SessionType<Request>> },
  ): Promise<void> {
    const admission = await admit(stream, {
      clock: this.#clock,
      log: this.#log,
      limiter: this.#limiter,
      authenticate,
      authorize: this.#options.authorize ?? (() => ({ outcome: "allowed" })),
      closedBecause: () => this.#closedBecause,
      firstRequestTimeoutMs: this.#options.firstRequestTimeoutMs,
    });
    // A drain may have begun meanwhile.
    if (admission.outcome === "admitted" && this.#closedBecause === undefined) this.#begin(stream, admission, kind);
    else if (admission.outcome === "refused") stream.end(admission.status);
    else stream.end({ code: GRPC_STATUS.UNAVAILABLE, message: this.#closedBecause ?? "" });
  }

  #begin<Request extends TypedRequest>(
    stream: ServerStream<Request>,
    { node, identity, first, forward }: Admitted<Request, Identity>,
    { protocol, types }: { protocol: ClientInfo["protocol"]; types: ReadonlyMap<string, SessionType<Request>> },
  ): void {
    if (stream.closed.aborted) return;
    const id = `${node.id}-${++this.#streams}`;
    const client: ClientInfo<Identity> = { id, node, identity, peerAddress: stream.info.peerAddress, protocol };
    const version = this.#countVersion(node, 1);
    const session: Session<Request> = new Session<Request>(
      {
        stream,
        client,
        types,
        scheduler: this.#scheduler,
        metrics: this.#metrics,
        clock: this.#clock,
        log: this.#log,
        onClosed: () => {
          this.#sessions.delete(session);
          this.#count(version, -1);
          this.#log.info("client disconnected", { client: id });
          publish("ambientmesh.xds.server.disconnected", { client });
        },
      },
      this.#options,
    );
    this.#sessions.add(session);
    this.#log.info("client connected", { client: id, peer: client.peerAddress, protocol });
    publish("ambientmesh.xds.server.connected", { client });
    session.receive(first);
    forward((request) => session.receive(request));
  }

  #countVersion(node: Node, by: number): string {
    const version = this.#options.versionOf ? this.#options.versionOf(node) : istioVersion(node);
    this.#count(version, by);
    return version;
  }

  #count(version: string, by: number): void {
    const count = (this.#connected.get(version) ?? 0) + by;
    if (count > 0) {
      this.#connected.set(version, count);
      this.#metrics.connected.with({ version }).set(count);
    } else {
      this.#connected.delete(version);
      this.#metrics.connected.remove({ version });
    }
  }

  #sweep(): void {
    const { writeTimeoutMs } = this.#options;
    const everyMs = Math.max(writeTimeoutMs / 4, 1);
    this.#sweeper[0] = this.#clock.setTimer(everyMs, () => this.#sweepNow(writeTimeoutMs), { background: true });
  }

  #sweepNow(writeTimeoutMs: number): void {
    try {
      for (const session of this.#sessions) session.abortIfBlocked(writeTimeoutMs);
    } catch (error) {
      this.#log.error("looking for slow clients failed", { reason: messageOf(error) });
    }
    this.#sweep();
  }
}

interface Shared {
  readonly rank: number;
  readonly deltaPlans: SharedPlans<DeltaPlan>;
  readonly sotwPlans: SharedPlans<SotwPlan>;
}

// The label is the client's word, so it is kept short; as many values are kept as clients are connected.
function istioVersion(node: Node): string {
  const version = node.metadata?.["ISTIO_VERSION"];
  return typeof version === "string" && version !== "" ? version.slice(0, 64) : "unknown";
}
