// SPDX-License-Identifier: Apache-2.0
import type { Clock, MeshError } from "@ambientmesh/core";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { IoBuffers } from "../buffers/io-buffers.ts";
import { Connection } from "../connection/connection.ts";
import type { ConnectionStats } from "../connection/contract.ts";
import type { ConnectionLimits } from "../connection/options.ts";
import { connectionClosedError } from "../connection/stream-errors.ts";
import type { H2Stream } from "../connection/stream.ts";
import { channels } from "../diagnostics.ts";
import { H2Code } from "../h2/constants.ts";
import type { RequestHead } from "../h2/message.ts";
import { describeConnection, type SecureOutcome } from "../secure-transport.ts";
import type { ConnectionInfo } from "../tunnel/tunnel-info.ts";
import { ConnectRequest } from "./connect-request.ts";

/** What a server's connection is made with. */
export interface ServerConnectionParts<Context> {
  readonly context: Context;
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  readonly buffers: IoBuffers;
  readonly onConnect: (request: ConnectRequest<Context>) => Promise<void>;
  /** The status of each answer, 0 for requests that the peer withdrew. */
  readonly onAnswered: (status: number) => void;
  readonly onClosed: () => void;
}

/** One client's connection to an `HboneServer`. */
export class ServerConnection<Context = undefined> {
  readonly info: ConnectionInfo;
  readonly context: Context;
  readonly #connection: Connection;
  readonly #parts: ServerConnectionParts<Context>;

  /** Made by `HboneServer`. */
  constructor(
    raw: Duplex,
    secured: Extract<SecureOutcome, { kind: "established" }>,
    parts: ServerConnectionParts<Context>,
  ) {
    const { limits, clock, buffers } = parts;
    this.context = parts.context;
    this.info = describeConnection(raw, secured.socket, secured.peer);
    this.#parts = parts;
    this.#connection = new Connection(secured.socket, {
      role: "server",
      isOutermost: raw instanceof Socket,
      peerName: secured.peer.id,
      clock,
      buffers,
      limits,
      events: {
        onRequest: (stream, head) => this.#onRequest(stream, head),
        onClosed: (error) => this.#onClosed(error),
      },
    });
  }

  stats(): ConnectionStats {
    return this.#connection.stats();
  }

  /** Takes no new tunnels and closes when the last one has ended. */
  drain(): void {
    this.#connection.drain();
  }

  /** Closes at once; open tunnels end with the error. */
  abort(error: MeshError): void {
    this.#connection.abort(error);
  }

  /** Called once by the server. */
  start(): void {
    channels.connectionOpen.publish(() => ({ role: "server", info: this.info }));
    this.#connection.start();
  }

  #onRequest(stream: H2Stream, head: RequestHead | undefined): void {
    if (head?.method !== "CONNECT") {
      this.#refuse(stream, head?.authority ?? "", head ? 400 : 431);
      return;
    }
    const { info, context } = this;
    const onAnswered = (status: number): void => this.#answered(head.authority, status);
    const request = new ConnectRequest(stream, { head, info, context, clock: this.#parts.clock, onAnswered });
    void this.#parts.onConnect(request);
  }

  #refuse(stream: H2Stream, authority: string, status: number): void {
    stream.respond([[":status", String(status)]], true);
    stream.isAnswered = true;
    stream.reset(H2Code.noError, connectionClosedError(this.info.peer.id));
    this.#answered(authority, status);
  }

  #answered(authority: string, status: number): void {
    this.#parts.onAnswered(status);
    channels.tunnelAnswer.publish(() => ({ role: "server", info: this.info, authority, status }));
  }

  #onClosed(error: MeshError | undefined): void {
    channels.connectionClose.publish(() => ({ role: "server", info: this.info, error, stats: this.stats() }));
    this.#parts.onClosed();
  }
}
