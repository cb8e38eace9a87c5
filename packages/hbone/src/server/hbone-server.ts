// SPDX-License-Identifier: Apache-2.0
import {
  silentLogger,
  systemClock,
  toMeshError,
  type Clock,
  type DrainWatch,
  type Logger,
  type MeshError,
} from "@ambientmesh/core";
import type { Duplex } from "node:stream";
import { IoBuffers } from "../buffers/io-buffers.ts";
import { connectionLimits, type ConnectionLimits, type ConnectionOptions } from "../connection/options.ts";
import { channels } from "../diagnostics.ts";
import { hboneErrors } from "../errors.ts";
import { followDrain } from "../follow-drain.ts";
import { prepareTransport, refusedHandshakeError, type SecureLimits, type SecureOutcome } from "../secure-transport.ts";
import type { ConnectRequest } from "./connect-request.ts";
import { ServerConnection } from "./server-connection.ts";

/** Limits and times of a server. */
export interface HboneServerOptions extends ConnectionOptions {
  /** How long a TLS handshake may take, in ms. Default 10,000. */
  readonly tlsTimeoutMs?: number;
  /** Connections at a time, those in their handshake included; further ones are closed at once. Default 10,000. */
  readonly maxConnections?: number;
}

/** What a server is made with. `Context` is whatever the owner gives along with a socket, such as the pod it belongs to. */
export interface HboneServerDeps<Context> {
  /** The TLS handshake as server; it must demand a certificate and check who the peer is. */
  readonly secure: (raw: Duplex, context: Context, limits: SecureLimits) => Promise<SecureOutcome>;
  /** Answers a CONNECT, now or later; one that is left without an answer when this settles is refused with 500. */
  readonly onConnect: (request: ConnectRequest<Context>) => void | Promise<void>;
  /** Hears of connections that came to nothing: a failed handshake, no HTTP/2, too many connections. */
  readonly onFailed?: (error: MeshError, context: Context) => void;
  /** Stops taking tunnels, and ends those that still run, with the program. */
  readonly drain?: DrainWatch;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly buffers?: IoBuffers;
}

/** Counters since the start and what is open now. */
export interface HboneServerStats {
  readonly connections: number;
  readonly handshakes: number;
  readonly tunnels: number;
  readonly connectionsTotal: number;
  readonly connectionsFailedTotal: number;
  readonly tunnelsAcceptedTotal: number;
  readonly tunnelsRefusedTotal: number;
  /** Withdrawn by the peer before they were answered. */
  readonly tunnelsWithdrawnTotal: number;
  readonly bytesReadTotal: number;
  readonly bytesWrittenTotal: number;
}

const TLS_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 10_000;

/**
 * The server's end of HBONE. It owns no listener: sockets are handed to it. Each CONNECT is put to the handler; other
 * methods are answered 400, oversized header lists 431, extended CONNECT and malformed requests by a reset of their stream.
 */
export class HboneServer<Context = undefined> implements AsyncDisposable {
  readonly #deps: HboneServerDeps<Context>;
  readonly #limits: ConnectionLimits;
  readonly #tlsTimeoutMs: number;
  readonly #maxConnections: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #buffers: IoBuffers;
  readonly #connections = new Set<ServerConnection<Context>>();
  readonly #abort = new AbortController();
  #drainSteps: Disposable | undefined;
  #isDraining = false;
  #handshakes = 0;
  #ended = Promise.withResolvers<void>();
  #connectionsTotal = 0;
  #failedTotal = 0;
  #accepted = 0;
  #refused = 0;
  #withdrawn = 0;
  #bytesReadTotal = 0;
  #bytesWrittenTotal = 0;

  /** @throws MeshError HBONE_OPTIONS_INVALID */
  constructor(deps: HboneServerDeps<Context>, options: HboneServerOptions = {}) {
    const { tlsTimeoutMs = TLS_TIMEOUT_MS, maxConnections = MAX_CONNECTIONS, ...limits } = options;
    this.#deps = deps;
    this.#limits = connectionLimits("server", limits);
    this.#tlsTimeoutMs = tlsTimeoutMs;
    this.#maxConnections = maxConnections;
    this.#clock = deps.clock ?? systemClock;
    this.#logger = deps.logger ?? silentLogger;
    this.#buffers = deps.buffers ?? new IoBuffers();
    const steps = { onDraining: () => this.drain(), onForced: () => this.abort() };
    this.#drainSteps = followDrain(deps.drain, steps);
  }

  /** The open connections, to look at, drain or cut off one by one (revoked certificates, removed pods). */
  get connections(): Iterable<ServerConnection<Context>> {
    return this.#connections;
  }

  stats(): HboneServerStats {
    let tunnels = 0;
    let bytesRead = this.#bytesReadTotal;
    let bytesWritten = this.#bytesWrittenTotal;
    for (const connection of this.#connections) {
      const stats = connection.stats();
      tunnels += stats.streams;
      bytesRead += stats.bytesRead;
      bytesWritten += stats.bytesWritten;
    }
    return {
      connections: this.#connections.size,
      handshakes: this.#handshakes,
      tunnels,
      connectionsTotal: this.#connectionsTotal,
      connectionsFailedTotal: this.#failedTotal,
      tunnelsAcceptedTotal: this.#accepted,
      tunnelsRefusedTotal: this.#refused,
      tunnelsWithdrawnTotal: this.#withdrawn,
      bytesReadTotal: bytesRead,
      bytesWrittenTotal: bytesWritten,
    };
  }

  /** Takes an accepted socket, which belongs to the server from now on. */
  handle(raw: Duplex, context: Context): void {
    if (this.#isDraining || this.#connections.size + this.#handshakes >= this.#maxConnections) {
      raw.destroy();
      this.#fail(this.#turnedAwayError(), context);
      return;
    }
    prepareTransport(raw);
    this.#handshakes++;
    const hold = this.#deps.drain?.hold();
    void this.#serve(raw, context, hold).catch((error: unknown) => {
      raw.destroy();
      this.#logger.error("HBONE connection failed", { error });
      this.#fail(toMeshError(error), context);
      hold?.[Symbol.dispose]();
    });
  }

  /** Takes no new connections and tunnels but those on their way; connections close when their last tunnel has ended. */
  drain(): void {
    this.#isDraining = true;
    for (const connection of this.#connections) connection.drain();
    this.#settle();
  }

  /** Ends every connection and tunnel at once. */
  abort(error: MeshError = drainedError()): void {
    this.drain();
    this.#abort.abort(error);
    for (const connection of this.#connections) connection.abort(error);
  }

  /** Drains for up to `deadlineMs`, then aborts; resolves when nothing is open. */
  async close(deadlineMs: number): Promise<void> {
    this.drain();
    using _timer = this.#clock.setTimer(deadlineMs, () => this.abort());
    await this.#ended.promise;
  }

  /** {@link close} without a deadline to wait for. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    await this.#ended.promise;
  }

  async #serve(raw: Duplex, context: Context, hold: Disposable | undefined): Promise<void> {
    const limits = { timeoutMs: this.#tlsTimeoutMs, signal: this.#abort.signal };
    const outcome = await this.#deps.secure(raw, context, limits).finally(() => this.#handshakes--);
    if (outcome.kind === "refused" || this.#abort.signal.aborted) {
      raw.destroy();
      const { remoteAddress = "a client" } = raw as { readonly remoteAddress?: string };
      const isRefused = outcome.kind === "refused";
      this.#fail(isRefused ? refusedHandshakeError(remoteAddress, outcome) : drainedError(), context);
      hold?.[Symbol.dispose]();
      return;
    }
    const connection: ServerConnection<Context> = new ServerConnection(raw, outcome, {
      context,
      limits: this.#limits,
      clock: this.#clock,
      buffers: this.#buffers,
      onConnect: (request) => this.#ask(request),
      onAnswered: (status) => this.#count(status),
      onClosed: () => {
        hold?.[Symbol.dispose]();
        this.#forget(connection);
      },
    });
    this.#connectionsTotal++;
    this.#connections.add(connection);
    connection.start();
    // Its client may have asked for tunnels by now: they are served, and it is told to ask elsewhere from then on.
    if (this.#isDraining) connection.drain();
  }

  async #ask(request: ConnectRequest<Context>): Promise<void> {
    try {
      await this.#deps.onConnect(request);
    } catch (error) {
      this.#logger.error("HBONE handler failed", { error, authority: request.authority });
    }
    if (!request.isAnswered) request.refuse(500);
  }

  #count(status: number): void {
    if (status === 0) this.#withdrawn++;
    else if (status < 300) this.#accepted++;
    else this.#refused++;
  }

  #forget(connection: ServerConnection<Context>): void {
    const { bytesRead, bytesWritten } = connection.stats();
    this.#bytesReadTotal += bytesRead;
    this.#bytesWrittenTotal += bytesWritten;
    this.#connections.delete(connection);
    this.#settle();
  }

  #fail(error: MeshError, context: Context): void {
    this.#failedTotal++;
    channels.connectionFail.publish(() => ({ role: "server", error }));
    this.#deps.onFailed?.(error, context);
    this.#settle();
  }

  #settle(): void {
    if (!this.#isDraining || this.#connections.size > 0 || this.#handshakes > 0) return;
    this.#drainSteps?.[Symbol.dispose]();
    this.#ended.resolve();
  }

  #turnedAwayError(): MeshError {
    if (this.#isDraining) return drainedError();
    return hboneErrors.create("HBONE_LIMIT", `there are ${this.#maxConnections} HBONE connections already`);
  }
}

function drainedError(): MeshError {
  return hboneErrors.create("HBONE_DRAINING", "the HBONE server is shutting down");
}
