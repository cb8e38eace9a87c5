// SPDX-License-Identifier: Apache-2.0
import type { Clock } from "@ambientmesh/core";
import type { H2Stream } from "../connection/stream.ts";
import { hboneErrors } from "../errors.ts";
import { H2Code } from "../h2/constants.ts";
import { toFields, type Headers, type RequestHead } from "../h2/message.ts";
import { connectionClosedError } from "../connection/stream-errors.ts";
import type { ConnectionInfo } from "../tunnel/tunnel-info.ts";
import { TunnelStream } from "../tunnel/tunnel-stream.ts";

/** What a request is made with. */
export interface ConnectRequestParts<Context> {
  readonly head: RequestHead;
  readonly info: ConnectionInfo;
  readonly context: Context;
  readonly clock: Clock;
  /** Hears of the answer: the status, or 0 when the peer withdrew the request before. */
  readonly onAnswered: (status: number) => void;
}

/** A CONNECT that waits for its answer: {@link accept} or {@link refuse}, once. What the peer sends before waits in its window. */
export class ConnectRequest<Context = unknown> {
  readonly method = "CONNECT";
  /** As the peer sent it: any printable text, to be parsed by the handler. */
  readonly authority: string;
  readonly headers: Headers;
  readonly info: ConnectionInfo;
  /** What was given to `HboneServer.handle` with the socket. */
  readonly context: Context;
  readonly #stream: H2Stream;
  readonly #parts: ConnectRequestParts<Context>;
  #status = -1;
  #abort: AbortController | undefined;

  /** Made by `HboneServer`. */
  constructor(stream: H2Stream, parts: ConnectRequestParts<Context>) {
    this.authority = parts.head.authority;
    this.headers = parts.head.headers;
    this.info = parts.info;
    this.context = parts.context;
    this.#stream = stream;
    this.#parts = parts;
    stream.onWithdrawn = () => this.#withdraw();
  }

  /** True once {@link accept} or {@link refuse} was called, or the peer has withdrawn the request. */
  get isAnswered(): boolean {
    return this.#status >= 0;
  }

  /** Aborts when the peer withdraws the request before it was answered. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#status === 0) this.#abort.abort();
    return this.#abort.signal;
  }

  /**
   * Opens the tunnel; undefined if the peer has withdrawn the request by now.
   * @throws MeshError HBONE_ALREADY_ANSWERED, HBONE_HEADER_INVALID, HBONE_LIMIT
   */
  accept(headers?: Headers): TunnelStream | undefined {
    if (this.#status === 0) return undefined;
    this.#answer(200, headers, false);
    return new TunnelStream(this.#stream, { ...this.info, authority: this.authority }, this.#parts.clock);
  }

  /**
   * Refuses the tunnel. Without effect if the peer has withdrawn the request by now.
   * @throws MeshError HBONE_ALREADY_ANSWERED, HBONE_HEADER_INVALID, HBONE_LIMIT
   */
  refuse(status: number, headers?: Headers): void {
    if (!Number.isInteger(status) || status < 300 || status > 599) {
      throw hboneErrors.create("HBONE_OPTIONS_INVALID", `a refusal needs a status from 300 to 599, not ${status}`);
    }
    if (this.#status === 0) return;
    this.#answer(status, headers, true);
    // RFC 9113 section 8.1: the answer is complete and whatever the peer still sends is of no interest.
    this.#stream.reset(H2Code.noError, connectionClosedError(this.info.peer.id));
  }

  #withdraw(): void {
    if (this.isAnswered) return;
    this.#status = 0;
    this.#abort?.abort();
    this.#parts.onAnswered(0);
  }

  #answer(status: number, headers: Headers | undefined, isEndStream: boolean): void {
    if (this.isAnswered) {
      const message = `CONNECT ${this.authority} was answered with ${this.#status} already`;
      throw hboneErrors.create("HBONE_ALREADY_ANSWERED", message);
    }
    const fields = toFields([[":status", String(status)]], headers);
    this.#stream.respond(fields, isEndStream);
    this.#stream.isAnswered = true;
    this.#status = status;
    this.#parts.onAnswered(status);
  }
}
