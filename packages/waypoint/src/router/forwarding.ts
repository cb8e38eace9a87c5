// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "@ambientmesh/core";
import type { UpstreamCluster } from "../cluster/cluster.ts";
import type { Host } from "../cluster/host.ts";
import type { UpstreamResponse } from "../cluster/pool/upstream.ts";
import type { Exchange } from "../http/exchange.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import { RequestBody } from "../http/request-body.ts";
import { replaceAuthority, type ClusterChoice, type Forward } from "../route/forward.ts";
import type { CompiledRoute } from "../route/route-table.ts";
import { Attempt, hostText } from "./attempt.ts";
import { joinSockets } from "./join-sockets.ts";
import { sendMirror } from "./mirror.ts";
import { failureReply, resetFlag, type AttemptFailure } from "./reset-text.ts";
import { IdleTimer } from "./timeouts.ts";

/** Finds clusters by name. */
export type ClusterLookup = (name: string) => UpstreamCluster | undefined;

/** What the router is made with. */
export interface RouterDeps {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly clusters: ClusterLookup;
  /** Of this proxy, for requests that it makes itself. */
  readonly ownAddress: string;
}

/** How a connection manager wants its requests forwarded. */
export interface RouterOptions {
  readonly suppressEnvoyHeaders: boolean;
  readonly bufferLimit: number;
  readonly streamIdleTimeoutMs: number | undefined;
}

/** What is to be forwarded, and by which part of the configuration. */
export interface Forwarded {
  readonly exchange: Exchange;
  readonly route: CompiledRoute;
  readonly target: Forward;
  readonly choice: ClusterChoice;
  readonly cluster: UpstreamCluster;
}

/** One request on its way to an upstream and its response on the way back, with all attempts that it takes. */
export class Forwarding {
  readonly #what: Forwarded;
  readonly #deps: RouterDeps;
  readonly #options: RouterOptions;
  readonly #body: RequestBody;
  readonly #tried = new Set<Host>();
  readonly #timers: Disposable[] = [];
  readonly #idle: IdleTimer | undefined;
  #attempt: Attempt | undefined;
  #retryTimer: Timer | undefined;
  #retryHold: Disposable | undefined;
  #attempts = 0;
  #startedMs = 0;
  #completeMs: number | undefined;
  #isOver = false;

  constructor(what: Forwarded, deps: RouterDeps, options: RouterOptions) {
    this.#what = what;
    this.#deps = deps;
    this.#options = options;
    const { exchange, route, target } = what;
    const needsCopy = target.retry !== undefined || target.mirrors.length > 0;
    const limit = needsCopy && exchange.head.upgrade === undefined ? (route.bufferLimit ?? options.bufferLimit) : 0;
    this.#body = new RequestBody(exchange.downstream, limit, {
      onData: (octets) => {
        exchange.record.bytesReceived += octets;
        this.#idle?.touch();
      },
      onComplete: () => this.#requestComplete(),
    });
    const idleMs = target.idleTimeoutMs ?? options.streamIdleTimeoutMs;
    if (idleMs !== undefined) this.#idle = new IdleTimer(deps.clock, idleMs, () => this.#idledOut());
  }

  start(): void {
    const { exchange, target } = this.#what;
    exchange.closed.addEventListener("abort", () => this.#end(), { once: true });
    if (target.maxStreamDurationMs !== undefined) {
      this.#after(target.maxStreamDurationMs, () => {
        this.#giveUp({ status: 504, body: "downstream duration timeout", details: "max_duration_timeout" });
      });
    }
    if (exchange.closed.aborted) return this.#end();
    this.#prepare();
    if (this.#body.isComplete) this.#requestComplete();
    this.#try();
  }

  /** Changes the request as the route says; once for all attempts. */
  #prepare(): void {
    const { exchange, route, target, choice } = this.#what;
    const { head, record } = exchange;
    choice.requestMutation?.(head.headers, record);
    for (const mutate of route.requestMutations) mutate(head.headers, record);
    target.rewrite(head);
    if (choice.hostRewrite !== undefined) head.authority = choice.hostRewrite;
  }

  /** Tells the upstream how long anybody will wait for its answer. */
  #announceTimeout(): void {
    const { exchange, target } = this.#what;
    const { timeoutMs } = target;
    if (this.#options.suppressEnvoyHeaders || timeoutMs === undefined || exchange.head.upgrade !== undefined) return;
    const spent = this.#completeMs === undefined ? 0 : this.#deps.clock.monotonicMs() - this.#completeMs;
    const limit = Math.min(Math.max(timeoutMs - spent, 1), target.retry?.perTryTimeoutMs ?? timeoutMs);
    exchange.head.headers.set("x-envoy-expected-rq-timeout-ms", String(Math.round(limit)));
  }

  /** The route's timeout runs from the end of the request, as in Envoy. Mirrors get their copy now. */
  #requestComplete(): void {
    const { exchange, target } = this.#what;
    this.#completeMs = this.#deps.clock.monotonicMs();
    this.#announceTimeout();
    if (target.timeoutMs !== undefined && exchange.head.upgrade === undefined) {
      this.#after(target.timeoutMs, () => {
        this.#giveUp({ status: 504, body: "upstream request timeout", details: "response_timeout", flag: "UT" });
      });
    }
    const body = this.#body.whole;
    for (const mirror of body ? target.mirrors : []) {
      const cluster = this.#deps.clusters(mirror.cluster);
      if (!cluster || !mirror.admits(this.#deps.random())) continue;
      sendMirror(cluster, mirror, { head: exchange.head, body: body ?? [], timeoutMs: target.timeoutMs }, this.#deps);
    }
  }

  #try(): void {
    if (this.#isOver) return;
    const { exchange, cluster, target, route } = this.#what;
    const host = cluster.choose(this.#tried, target.retry?.otherHostAttempts ?? 0);
    if (!host) return this.#failed({ failure: "no-host", reason: "", wasSent: false });
    this.#tried.add(host);
    this.#attempts++;
    const { record } = exchange;
    record.attempts = this.#attempts;
    record.upstreamHost = hostText(host);
    this.#startedMs = this.#deps.clock.monotonicMs();
    this.#announceTimeout();
    if (route.countsAttemptsInRequest) exchange.head.headers.set("x-envoy-attempt-count", String(this.#attempts));
    const attempt = new Attempt(
      {
        cluster,
        host,
        protocol: cluster.protocolFor(exchange.head.protocol),
        breaker: target.isHighPriority ? cluster.breakers.high : cluster.breakers.default,
        head: this.#headFor(host),
        hasBody: exchange.downstream.hasBody,
        perTryTimeoutMs: target.retry?.perTryTimeoutMs,
        clock: this.#deps.clock,
      },
      {
        onSent: (request) => this.#body.attach(request),
        onInformational: (status, headers) => {
          if (status !== 100 && !exchange.isAnswered) exchange.downstream.sendInformational(status, headers);
        },
        onResponse: (response) => this.#responded(attempt, response),
        onUpgrade: (head, socket) => this.#upgraded(attempt, head, socket),
        onFailure: (failure) => this.#failed(failure),
      },
    );
    this.#attempt = attempt;
    void attempt.start();
  }

  #headFor(host: Host): RequestHead {
    const { exchange, target } = this.#what;
    const { head } = exchange;
    if (!target.isAutoHostRewrite || host.config.hostname === "") return head;
    const own = { ...head, headers: head.headers.clone() };
    replaceAuthority(own, host.config.hostname, target.appendForwardedHost);
    return own;
  }

  #failed(failure: AttemptFailure): void {
    if (this.#isOver) return;
    const { exchange, target } = this.#what;
    this.#body.detach();
    this.#retryHold?.[Symbol.dispose]();
    if (failure.transport !== undefined) exchange.record.upstreamFailure = failure.transport;
    const { failure: kind } = failure;
    const isRetryable =
      kind !== "overflow" && kind !== "no-host" && target.retry?.retriesFailure(kind, failure.wasSent);
    if (isRetryable && this.#retry()) return;
    this.#giveUp(failureReply(failure, this.#attempts));
  }

  #responded(attempt: Attempt, response: UpstreamResponse): void {
    const { target } = this.#what;
    this.#retryHold?.[Symbol.dispose]();
    if (target.retry?.retriesStatus(response.head) && this.#retry()) {
      // The answer is of no interest, and its errors are not either.
      response.body.on("error", () => response.body.destroy());
      attempt.cancel();
      return;
    }
    this.#body.forget();
    this.#relay(attempt, response);
  }

  /** True if there will be another attempt. */
  #retry(): boolean {
    const { exchange, cluster, target } = this.#what;
    const { retry } = target;
    if (!retry || !this.#body.isReplayable || !retry.admits(exchange.head)) return false;
    if (this.#attempts > retry.attempts) {
      exchange.record.flags.add("URX");
      return false;
    }
    const breaker = target.isHighPriority ? cluster.breakers.high : cluster.breakers.default;
    this.#retryHold = breaker.retries.tryTake();
    if (!this.#retryHold) {
      exchange.record.flags.add("UO");
      return false;
    }
    this.#body.detach();
    const ceiling = Math.min(retry.baseIntervalMs * 2 ** (this.#attempts - 1), retry.maxIntervalMs);
    this.#retryTimer = this.#deps.clock.setTimer(this.#deps.random() * ceiling, () => this.#try());
    return true;
  }

  #relay(attempt: Attempt, response: UpstreamResponse): void {
    const { exchange, choice, route } = this.#what;
    const { head, body } = response;
    const { record } = exchange;
    record.details = "via_upstream";
    record.upstreamServiceMs = Math.round(this.#deps.clock.monotonicMs() - this.#startedMs);
    record.response = head;
    if (!this.#options.suppressEnvoyHeaders) {
      head.headers.set("x-envoy-upstream-service-time", String(record.upstreamServiceMs));
    }
    if (route.countsAttemptsInResponse) head.headers.set("x-envoy-attempt-count", String(this.#attempts));
    choice.responseMutation?.(head.headers, record);
    exchange.applyResponseMutations(head);
    if (exchange.closed.aborted) return attempt.cancel();
    const sink = exchange.respond(head, true);
    const isWanted = exchange.allowsBody(head.status);
    body.on("data", (chunk: Buffer) => {
      record.bytesSent += chunk.length;
      this.#idle?.touch();
    });
    body.once("end", () => {
      const trailers = response.trailers();
      record.grpcStatus = trailers?.get("grpc-status") ?? head.headers.get("grpc-status");
      attempt.release();
      this.#attempt = undefined;
      exchange.downstream.finish(exchange.head.protocol === "HTTP/2" ? trailers : undefined);
    });
    body.once("error", () => body.destroy());
    body.once("close", () => {
      attempt.release();
      if (body.readableEnded || exchange.closed.aborted) return;
      const reason = response.breakReason();
      exchange.breakOff(resetFlag(reason), `upstream_reset_after_response_started{${reason.replaceAll(" ", "_")}}`);
    });
    if (isWanted) body.pipe(sink, { end: false });
    else body.resume();
  }

  #upgraded(attempt: Attempt, head: ResponseHead, socket: Duplex): void {
    const { exchange } = this.#what;
    exchange.record.details = "via_upstream";
    exchange.applyResponseMutations(head);
    const client = exchange.downstream.takeOver(head);
    joinSockets(client, socket, () => {
      attempt.release();
      this.#end();
    });
  }

  #idledOut(): void {
    const { exchange } = this.#what;
    const status = exchange.downstream.isComplete ? 504 : 408;
    this.#giveUp({ status, body: "stream timeout", details: "stream_idle_timeout", flag: "SI" });
  }

  #giveUp(reply: Parameters<Exchange["reply"]>[0]): void {
    if (this.#isOver) return;
    const { exchange, route } = this.#what;
    this.#end();
    const counted = route.countsAttemptsInResponse && this.#attempts > 0;
    const count = [["x-envoy-attempt-count", String(this.#attempts)]] as const;
    exchange.reply(counted ? { ...reply, headers: [...(reply.headers ?? []), ...count] } : reply);
  }

  #after(delayMs: number, action: () => void): void {
    this.#timers.push(this.#deps.clock.setTimer(delayMs, action));
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#idle?.[Symbol.dispose]();
    for (const timer of this.#timers) timer[Symbol.dispose]();
    this.#retryTimer?.cancel();
    this.#retryHold?.[Symbol.dispose]();
    this.#body.forget();
    this.#attempt?.cancel();
  }
}
