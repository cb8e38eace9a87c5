// SPDX-License-Identifier: Apache-2.0
import type { Writable } from "node:stream";
import type { Clock } from "@ambientmesh/core";
import type { RequestRecord, ResponseFlag } from "../telemetry/request-record.ts";
import type { CompiledRoute } from "../route/route-table.ts";
import type { Downstream } from "./downstream.ts";
import type { RequestHead, ResponseHead } from "./head.ts";
import { renderReply, type LocalReply } from "./local-reply.ts";

/** What a connection manager does to all of its responses. */
export interface ResponseManners {
  /** Value of the `server` header; undefined: the upstream's passes. */
  readonly serverName: string | undefined;
  /** Only where the upstream set none. */
  readonly isServerNameFallback: boolean;
  readonly setsRequestId: boolean;
  /** Tell clients of HTTP/1 that the connection ends with this response. */
  readonly isClosing?: boolean;
}

/** Why signals of exchanges abort; one for all, as making an error for each request is dear. */
const OVER = new Error("the exchange is over");
/** Statuses whose responses have no body (RFC 9110 section 6.4.1). */
const BODILESS = new Set([204, 304]);

/** One request and its response on their way through filters and router. */
export class Exchange {
  readonly downstream: Downstream;
  readonly record: RequestRecord;
  readonly route: CompiledRoute | undefined;
  readonly #manners: ResponseManners;
  readonly #clock: Clock;
  readonly #gone = new AbortController();
  #isAnswered = false;

  constructor(
    parts: {
      readonly downstream: Downstream;
      readonly record: RequestRecord;
      readonly route: CompiledRoute | undefined;
    },
    manners: ResponseManners,
    clock: Clock,
  ) {
    this.downstream = parts.downstream;
    this.record = parts.record;
    this.route = parts.route;
    this.#manners = manners;
    this.#clock = clock;
    this.downstream.onClose((isComplete) => {
      if (!isComplete && this.record.details === "") this.record.details = "downstream_remote_disconnect";
      if (!isComplete && this.record.flags.size === 0) this.record.flags.add("DC");
      this.#gone.abort(OVER);
    });
  }

  get head(): RequestHead {
    return this.downstream.head;
  }

  /** True once the head of a response was sent. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** Aborts when the exchange is over, however it ended. */
  get closed(): AbortSignal {
    return this.#gone.signal;
  }

  /** Sends the head of a response, complete with what all responses have. */
  respond(head: ResponseHead, hasBody: boolean): Writable {
    this.#complete(head);
    this.#isAnswered = true;
    this.record.response = head;
    return this.downstream.sendHead(head, hasBody && this.allowsBody(head.status));
  }

  /** False for responses that end with their head. */
  allowsBody(status: number): boolean {
    return this.head.method !== "HEAD" && !BODILESS.has(status);
  }

  /** Answers by itself, with the route's changes of response headers. Too late, it breaks off the response. */
  reply(reply: LocalReply): void {
    if (reply.flag) this.record.flags.add(reply.flag);
    this.record.details = reply.details;
    if (this.closed.aborted) return;
    if (this.#isAnswered || (reply.isMalformed && this.head.protocol === "HTTP/2")) {
      this.downstream.reset();
      return;
    }
    const { head, body } = renderReply(this.head, reply);
    this.applyResponseMutations(head);
    const hasBody = body.length > 0 && this.allowsBody(head.status);
    const sink = this.respond(head, hasBody);
    this.record.bytesSent = hasBody ? body.length : 0;
    if (hasBody) sink.write(body);
    this.downstream.finish(undefined);
  }

  /** Notes why a response that was begun can't be finished, and breaks it off. */
  breakOff(flag: ResponseFlag, details: string): void {
    this.record.flags.add(flag);
    this.record.details = details;
    this.downstream.reset();
  }

  applyResponseMutations(head: ResponseHead): void {
    this.record.response = head;
    for (const mutate of this.route?.responseMutations ?? []) mutate(head.headers, this.record);
  }

  #complete({ headers }: ResponseHead): void {
    if (!headers.has("date")) headers.set("date", new Date(this.#clock.now()).toUTCString());
    const { serverName, isServerNameFallback, setsRequestId, isClosing } = this.#manners;
    if (isClosing && this.head.protocol !== "HTTP/2") headers.set("connection", "close");
    if (serverName !== undefined && !(isServerNameFallback && headers.has("server"))) headers.set("server", serverName);
    const requestId = this.head.headers.get("x-request-id");
    if (setsRequestId && requestId !== undefined) headers.set("x-request-id", requestId);
  }
}
