// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "@ambientmesh/core";
import type { CircuitBreaker } from "../cluster/circuit-breaker.ts";
import type { UpstreamCluster } from "../cluster/cluster.ts";
import type { Acquired } from "../cluster/pool/host-pool.ts";
import { hostKey, type Host, type HostProtocol } from "../cluster/host.ts";
import type { ResetReason, UpstreamConnection, UpstreamRequest, UpstreamResponse } from "../cluster/pool/upstream.ts";
import type { RequestHead, ResponseHead } from "../http/head.ts";
import type { HeaderList } from "../http/header-list.ts";
import type { AttemptFailure } from "./reset-text.ts";

/** What an attempt needs to know. */
export interface AttemptOptions {
  readonly cluster: UpstreamCluster;
  readonly host: Host;
  readonly protocol: HostProtocol;
  readonly breaker: CircuitBreaker;
  readonly head: RequestHead;
  readonly hasBody: boolean;
  readonly perTryTimeoutMs: number | undefined;
  readonly clock: Clock;
}

/** Hears of an attempt; of one outcome at most, and of none after {@link Attempt.cancel}. */
export interface AttemptEvents {
  readonly onSent: (request: UpstreamRequest) => void;
  readonly onInformational: (status: number, headers: HeaderList) => void;
  readonly onResponse: (response: UpstreamResponse) => void;
  readonly onUpgrade: (head: ResponseHead, socket: Duplex) => void;
  readonly onFailure: (failure: AttemptFailure) => void;
}

/** Why signals of attempts abort; one for all, as making an error for each request is dear. */
const GIVEN_UP = new Error("the attempt was given up");

/** One try of a request at one host. */
export class Attempt {
  readonly #options: AttemptOptions;
  readonly #events: AttemptEvents;
  readonly #abort = new AbortController();
  readonly #holds = new DisposableStack();
  #request: UpstreamRequest | undefined;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(options: AttemptOptions, events: AttemptEvents) {
    this.#options = options;
    this.#events = events;
  }

  get host(): Host {
    return this.#options.host;
  }

  async start(): Promise<void> {
    const { host, breaker, protocol, perTryTimeoutMs, clock } = this.#options;
    host.active++;
    this.#holds.defer(() => host.active--);
    if (perTryTimeoutMs !== undefined) {
      this.#timer = clock.setTimer(perTryTimeoutMs, () => {
        this.#fail({ failure: "per-try-timeout", reason: "per try timeout", wasSent: true }, 504);
      });
    }
    const hold = breaker.requests.tryTake();
    if (!hold) return this.#fail({ failure: "overflow", reason: "overflow", wasSent: false });
    this.#holds.use(hold);
    const acquired = await host.pool(protocol).acquire(breaker, this.#abort.signal);
    if (this.#isOver) {
      if (acquired.kind === "ready") acquired.connection.release();
    } else if (acquired.kind === "ready") this.#send(acquired.connection);
    else this.#noConnection(acquired);
  }

  /** Gives up, also in the midst of a response. */
  cancel(): void {
    this.#isOver = true;
    this.#abort.abort(GIVEN_UP);
    this.#request?.cancel();
    this.release();
  }

  /** Gives back what the attempt counted for; called when its response has ended. */
  release(): void {
    this.#timer?.cancel();
    this.#holds.dispose();
  }

  #noConnection(acquired: Exclude<Acquired, { kind: "ready" }>): void {
    if (acquired.kind === "overflow") {
      return this.#fail({ failure: "overflow", reason: "overflow", wasSent: false });
    }
    const reason = acquired.isTimeout ? "connection timeout" : "remote connection failure";
    const transport = acquired.isTimeout ? {} : { transport: acquired.message };
    this.#fail({ failure: "connect", reason, ...transport, wasSent: false }, 503);
  }

  #send(connection: UpstreamConnection): void {
    const { head, hasBody, cluster, host } = this.#options;
    this.#request = connection.send(
      head,
      { hasBody },
      {
        onInformational: this.#events.onInformational,
        onResponse: (response) => {
          if (this.#isOver) return;
          this.#isOver = true;
          this.#timer?.cancel();
          cluster.report(host, response.head.status);
          this.#events.onResponse(response);
        },
        onUpgrade: (response, socket) => {
          if (this.#isOver) return void socket.destroy();
          this.#isOver = true;
          this.#timer?.cancel();
          this.#events.onUpgrade(response, socket);
        },
        onReset: (reason, wasSent) => this.#fail({ failure: failureOf(reason), reason, wasSent }, 503),
      },
    );
    if (!this.#isOver) this.#events.onSent(this.#request);
  }

  /** `status` is what outlier detection hears. */
  #fail(failure: AttemptFailure, status?: number): void {
    if (this.#isOver) return;
    const { cluster, host } = this.#options;
    if (status !== undefined) cluster.report(host, status);
    this.cancel();
    this.#events.onFailure(failure);
  }
}

function failureOf(reason: ResetReason): AttemptFailure["failure"] {
  return reason === "remote refused stream reset" ? "refused-stream" : "reset";
}

/** The name of a host in logs. */
export function hostText(host: Host): string {
  return hostKey(host.config);
}
