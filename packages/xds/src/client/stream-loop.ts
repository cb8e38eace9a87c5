// SPDX-License-Identifier: Apache-2.0
import { isMeshError, silentLogger, type Clock, type Logger, type Metrics } from "@ambientmesh/core";
import { publish } from "../diagnostics.ts";
import type { XdsMethod } from "../protocol/methods.ts";
import { clientMetrics, type ClientMetrics } from "./client-metrics.ts";
import { ReconnectPolicy, USEFUL_MS, asStreamEnd, describeEnd, type StreamEnd } from "./reconnect.ts";
import type { XdsCall, XdsTransport } from "./transport.ts";

/** What a client is made with. */
export interface XdsClientDeps {
  readonly transport: XdsTransport;
  readonly clock: Clock;
  readonly log?: Logger;
  readonly metrics?: Metrics;
  /** Source of jitter in [0, 1). Default Math.random. */
  readonly random?: () => number;
}

/** What a protocol does with the streams. */
export interface StreamHandler<Request, Response> {
  /** A stream is open: the requests that begin it. */
  opened(call: XdsCall<Request, Response>): readonly Request[];
  /** One response; the next is read when this resolves. The result is sent. */
  received(response: Response): Promise<Request>;
  /** The stream is over. */
  ended(): void;
}

/** Where a client's connection stands. */
export interface ConnectionStatus {
  readonly isConnected: boolean;
  /** Milliseconds since 1970 of the last change. */
  readonly since: number;
  /** How the last stream ended, if one did. */
  readonly lastEnd: string | undefined;
}

/** Keeps one stream open: opens, serves, counts how it ended, waits, again. */
export class StreamLoop<Request, Response extends { readonly typeUrl: string }> {
  readonly #deps: XdsClientDeps;
  readonly #log: Logger;
  readonly #metrics: ClientMetrics;
  readonly #method: XdsMethod<Request, Response>;
  readonly #handler: StreamHandler<Request, Response>;
  readonly #policy: ReconnectPolicy;
  #status: ConnectionStatus;

  constructor(deps: XdsClientDeps, method: XdsMethod<Request, Response>, handler: StreamHandler<Request, Response>) {
    this.#deps = deps;
    this.#log = deps.log ?? silentLogger;
    this.#metrics = clientMetrics(deps.metrics);
    this.#method = method;
    this.#handler = handler;
    this.#policy = new ReconnectPolicy(deps.random);
    this.#status = { isConnected: false, since: deps.clock.now(), lastEnd: undefined };
  }

  get status(): ConnectionStatus {
    return this.#status;
  }

  /** Counts the resources of a response. */
  count(typeUrl: string, resourceBytes: number): void {
    this.#metrics.messages.with({ url: typeUrl }).add();
    this.#metrics.messageBytes.with({ url: typeUrl }).add(resourceBytes);
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedAt = this.#deps.clock.monotonicMs();
      const end = await this.#stream(signal);
      this.#handler.ended();
      if (signal.aborted) return;
      const wasUseful = this.#status.isConnected && this.#deps.clock.monotonicMs() - startedAt >= USEFUL_MS;
      const { reason, delayMs } = this.#policy.next(end, wasUseful);
      this.#metrics.terminations.with({ reason }).add();
      publish("ambientmesh.xds.client.ended", { error: end });
      this.#noteEnd(end, { reason, delayMs });
      if (delayMs > 0) await this.#deps.clock.sleep(delayMs, signal).catch(ignoreAbort);
    }
  }

  async #stream(signal: AbortSignal): Promise<StreamEnd> {
    let call: XdsCall<Request, Response> | undefined;
    const close = (): void => call?.close();
    signal.addEventListener("abort", close, { once: true });
    try {
      call = await this.#deps.transport.open(this.#method, signal);
      if (signal.aborted) return undefined;
      await this.#serve(call);
      return undefined;
    } catch (error) {
      return asStreamEnd(error);
    } finally {
      signal.removeEventListener("abort", close);
      call?.close();
    }
  }

  async #serve(call: XdsCall<Request, Response>): Promise<void> {
    // All first requests are handed over before anything else can be: a type's first request decides its subscription.
    await Promise.all(this.#handler.opened(call).map((request) => call.send(request)));
    for await (const response of call) {
      if (!this.#status.isConnected) {
        this.#status = { isConnected: true, since: this.#deps.clock.now(), lastEnd: undefined };
      }
      await call.send(await this.#handler.received(response));
    }
  }

  #noteEnd(end: StreamEnd, fields: { readonly reason: string; readonly delayMs: number }): void {
    const lastEnd = describeEnd(end);
    this.#status = { isConnected: false, since: this.#deps.clock.now(), lastEnd };
    const isNormal = fields.reason === "Reconnect" || fields.reason === "Complete";
    this.#log[isNormal ? "debug" : "warn"]("discovery stream ended", { ...fields, lastEnd });
  }
}

function ignoreAbort(error: unknown): void {
  if (!isMeshError(error, "ABORTED")) throw error;
}
