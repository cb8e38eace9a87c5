// SPDX-License-Identifier: Apache-2.0
import { abortedError, systemClock, type Clock, type MeshError } from "@ambientmesh/core";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { IoBuffers } from "../buffers/io-buffers.ts";
import { Connection } from "../connection/connection.ts";
import type { ConnectionStats } from "../connection/contract.ts";
import { connectionLimits, type ConnectionOptions } from "../connection/options.ts";
import { connectionClosedError } from "../connection/stream-errors.ts";
import type { H2Stream } from "../connection/stream.ts";
import { channels } from "../diagnostics.ts";
import { hboneErrors } from "../errors.ts";
import { H2Code } from "../h2/constants.ts";
import { checkAuthority, toFields, type ResponseHead } from "../h2/message.ts";
import {
  describeConnection,
  prepareTransport,
  refusedHandshakeError,
  type SecureLimits,
  type SecureOutcome,
} from "../secure-transport.ts";
import type { ConnectionInfo } from "../tunnel/tunnel-info.ts";
import { TunnelStream } from "../tunnel/tunnel-stream.ts";
import type { ConnectOutcome, ConnectRequestOptions } from "./connect-outcome.ts";

/** Limits and times of a client connection. */
export interface HboneConnectionOptions extends ConnectionOptions {
  /** How long the TLS handshake may take, in ms. Default 10,000. */
  readonly tlsTimeoutMs?: number;
  /**
   * How long the peer may take to answer a CONNECT, in ms. It connects to its app first, for which ztunnel takes up to 15 s
   * with all look-ups. Default 20,000.
   */
  readonly responseTimeoutMs?: number;
}

/** What a client connection is made with. */
export interface HboneConnectionDeps {
  /** The TLS handshake as client, on the transport given; it must check who the peer is. */
  readonly secure: (raw: Duplex, limits: SecureLimits) => Promise<SecureOutcome>;
  readonly clock?: Clock;
  readonly buffers?: IoBuffers;
}

/** What the owner of a connection wants to hear. */
export interface HboneConnectionEvents {
  /** No new tunnels from now on. */
  readonly onDraining?: () => void;
  /** A tunnel ended: there is room for another. */
  readonly onTunnelGone?: () => void;
  /** Called once, last. */
  readonly onClosed?: (error: MeshError | undefined) => void;
}

const TLS_TIMEOUT_MS = 10_000;
const RESPONSE_TIMEOUT_MS = 20_000;

/**
 * Makes an HBONE connection on a connected transport: a TCP socket, or the tunnel of another connection (double HBONE).
 * The transport belongs to the connection from now on.
 *
 * @throws MeshError HBONE_TLS_FAILED, HBONE_PEER_REFUSED, HBONE_TIMEOUT; ABORTED when the signal aborts
 */
export async function openHboneConnection(
  raw: Duplex,
  deps: HboneConnectionDeps,
  options: HboneConnectionOptions & {
    readonly events?: HboneConnectionEvents;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<HboneConnection> {
  const { signal = new AbortController().signal, tlsTimeoutMs = TLS_TIMEOUT_MS } = options;
  prepareTransport(raw);
  const outcome = await deps.secure(raw, { timeoutMs: tlsTimeoutMs, signal }).catch((error: unknown) => {
    raw.destroy();
    throw error;
  });
  if (outcome.kind === "established") return new HboneConnection(raw, outcome, deps, options);
  raw.destroy();
  if (outcome.reason === "aborted" && signal.aborted) throw abortedError(signal, "an HBONE connection");
  const { remoteAddress = "the peer" } = raw as { readonly remoteAddress?: string };
  const error = refusedHandshakeError(remoteAddress, outcome);
  channels.connectionFail.publish(() => ({ role: "client", error }));
  throw error;
}

/** The client's end of one HBONE connection: any number of tunnels to one peer, up to the smaller limit of both sides. */
export class HboneConnection {
  readonly info: ConnectionInfo;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #peerName: string;
  readonly #responseTimeoutMs: number;

  /** Use {@link openHboneConnection}. */
  constructor(
    raw: Duplex,
    secured: Extract<SecureOutcome, { kind: "established" }>,
    deps: HboneConnectionDeps,
    options: HboneConnectionOptions & { readonly events?: HboneConnectionEvents },
  ) {
    const { clock = systemClock, buffers = new IoBuffers() } = deps;
    const { tlsTimeoutMs: _tls, responseTimeoutMs = RESPONSE_TIMEOUT_MS, events = {}, ...limits } = options;
    this.info = describeConnection(raw, secured.socket, secured.peer);
    this.#clock = clock;
    this.#peerName = secured.peer.id;
    this.#responseTimeoutMs = responseTimeoutMs;
    this.#connection = new Connection(secured.socket, {
      role: "client",
      isOutermost: raw instanceof Socket,
      peerName: this.#peerName,
      clock,
      buffers,
      limits: connectionLimits("client", limits),
      events: {
        ...(events.onDraining && { onDraining: events.onDraining }),
        ...(events.onTunnelGone && { onStreamGone: events.onTunnelGone }),
        onClosed: (error) => this.#onClosed(error, events),
      },
    });
    this.#connection.start();
    channels.connectionOpen.publish(() => ({ role: "client", info: this.info }));
  }

  /** Whether {@link connect} can be called now. */
  get canConnect(): boolean {
    return this.#connection.canOpen;
  }

  get openTunnels(): number {
    return this.#connection.openStreams;
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  get isDraining(): boolean {
    return this.#connection.isDraining;
  }

  /** Bulk or stalled tunnels hold all this connection can hold; new ones fare better on another. */
  get isCongested(): boolean {
    return this.#connection.isCongested;
  }

  stats(): ConnectionStats {
    return this.#connection.stats();
  }

  /**
   * Asks the peer for a tunnel. Nothing can be written before it has agreed.
   *
   * @throws MeshError HBONE_LIMIT when no more tunnels fit, HBONE_DRAINING, HBONE_HEADER_INVALID, HBONE_TIMEOUT,
   * HBONE_STREAM_UNPROCESSED (safe to repeat), HBONE_STREAM_RESET, HBONE_CONNECTION_CLOSED, HBONE_PROTOCOL_ERROR, ABORTED
   */
  async connect(request: ConnectRequestOptions): Promise<ConnectOutcome> {
    checkAuthority(request.authority);
    const { signal } = request;
    if (signal?.aborted) throw abortedError(signal, `CONNECT ${request.authority}`);
    if (!this.#connection.canOpen) throw this.#cannotOpenError();
    const fields = toFields(
      [
        [":method", "CONNECT"],
        [":authority", request.authority],
      ],
      request.headers,
    );
    const { promise, resolve, reject } = Promise.withResolvers<ConnectOutcome>();
    const stream = this.#connection.request(fields, (head) =>
      resolve(this.#onResponse(stream, head, request.authority)),
    );
    stream.onWithdrawn = ({ error }) => reject(error);
    const limit = this.#responseTimeoutMs;
    using _timer = this.#clock.setTimer(limit, () => stream.reset(H2Code.cancel, this.#lateError(request.authority)));
    const onAbort = (): void => {
      if (signal) stream.reset(H2Code.cancel, abortedError(signal, `CONNECT ${request.authority}`) as MeshError);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const outcome = await promise;
      this.#publish(request.authority, outcome.status);
      return outcome;
    } catch (error) {
      this.#publish(request.authority, 0);
      throw error;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Takes no new tunnels and closes when the last one has ended. */
  drain(): void {
    this.#connection.drain();
  }

  /** Closes at once; open tunnels end with the error. */
  abort(error: MeshError): void {
    this.#connection.abort(error);
  }

  #onResponse(stream: H2Stream, head: ResponseHead, authority: string): ConnectOutcome {
    const { status, headers } = head;
    stream.onWithdrawn = undefined;
    if (status >= 200 && status < 300) {
      return {
        kind: "open",
        tunnel: new TunnelStream(stream, { ...this.info, authority }, this.#clock),
        status,
        headers,
      };
    }
    // A body of a refusal is of no use here; a refusal without one is complete with our own END_STREAM.
    if (stream.isRemoteEnded) stream.end();
    else stream.reset(H2Code.cancel, connectionClosedError(this.#peerName));
    return { kind: "refused", status, headers };
  }

  #onClosed(error: MeshError | undefined, events: HboneConnectionEvents): void {
    channels.connectionClose.publish(() => ({ role: "client", info: this.info, error, stats: this.stats() }));
    events.onClosed?.(error);
  }

  #publish(authority: string, status: number): void {
    channels.tunnelAnswer.publish(() => ({ role: "client", info: this.info, authority, status }));
  }

  #cannotOpenError(): MeshError {
    const { isDraining, maxStreams } = this.#connection;
    if (isDraining) {
      return hboneErrors.create("HBONE_DRAINING", `the connection with ${this.#peerName} takes no new tunnels`, {
        retryable: true,
      });
    }
    const message = `the connection with ${this.#peerName} has all of its ${maxStreams} tunnels in use`;
    return hboneErrors.create("HBONE_LIMIT", message, { retryable: true });
  }

  #lateError(authority: string): MeshError {
    const timeoutMs = this.#responseTimeoutMs;
    const message = `${this.#peerName} did not answer CONNECT ${authority} within ${timeoutMs} ms`;
    return hboneErrors.create("HBONE_TIMEOUT", message, { details: { phase: "response", authority, timeoutMs } });
  }
}
