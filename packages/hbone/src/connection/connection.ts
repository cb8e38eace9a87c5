// SPDX-License-Identifier: Apache-2.0
import type { MeshError, Timer } from "@ambientmesh/core";
import type { Duplex } from "node:stream";
import { hboneErrors } from "../errors.ts";
import { ConnectionFault } from "../h2/connection-fault.ts";
import { DEFAULT_HEADER_TABLE, H2Code, MAX_STREAM_ID, PREFACE, Setting } from "../h2/constants.ts";
import { FrameReader } from "../h2/frame-reader.ts";
import {
  encodeGoaway,
  encodeHeaders,
  encodePing,
  encodeRstStream,
  encodeSettings,
  encodeWindowUpdate,
} from "../h2/frame-writer.ts";
import { HpackDecoder } from "../h2/hpack/decoder.ts";
import { fieldSize } from "../h2/hpack/dynamic-table.ts";
import { HpackEncoder } from "../h2/hpack/encoder.ts";
import type { HeaderField } from "../h2/hpack/static-table.ts";
import type { ResponseHead } from "../h2/message.ts";
import { defaultPeerSettings } from "../h2/settings.ts";
import { borrowReads } from "./borrow-reads.ts";
import type { ConnectionSetup, ConnectionStats } from "./contract.ts";
import { FloodGuard } from "./flood-guard.ts";
import { FrameDispatch, type ConnectionParts } from "./frame-dispatch.ts";
import { Inflow } from "./inflow.ts";
import { Keepalive } from "./keepalive.ts";
import { linger } from "./linger.ts";
import { Outbox } from "./outbox.ts";
import { RateMeter } from "./rate-meter.ts";
import { RoundTrip } from "./round-trip.ts";
import { connectionClosedError, goneAwayError, peerResetError, protocolError } from "./stream-errors.ts";
import { StreamTable } from "./stream-table.ts";
import { H2Stream, type StreamHost } from "./stream.ts";

/** Octets per second, both ways, from which on a small tunnel would wait behind large ones. */
const BULK_RATE = 32 * 1024 * 1024;
/** How long a draining server waits for the answer to its ping before it names its last stream. */
const DRAIN_PING_MS = 1000;

/** One HTTP/2 connection that carries CONNECT tunnels, on a transport it owns. */
export class Connection implements StreamHost {
  readonly #transport: Duplex;
  readonly #setup: ConnectionSetup;
  readonly #parts: ConnectionParts;
  readonly #reader: FrameReader;
  readonly #keepalive: Keepalive;
  readonly #rate: RateMeter;
  readonly #roundTrip: RoundTrip;
  #settingsTimer: Timer | undefined;
  #drainTimer: Timer | undefined;
  #bytesRead = 0;
  #isReady = false;
  #isDraining = false;
  /** Server, while draining: streams above it are not processed. */
  #lastAdmitted = MAX_STREAM_ID;
  #isClosed = false;

  constructor(transport: Duplex, setup: ConnectionSetup) {
    const { role, clock, buffers, limits } = setup;
    const isServer = role === "server";
    this.#transport = transport;
    this.#setup = setup;
    const outbox = new Outbox(transport, buffers, () => this.#closeIfFinished());
    const windows = {
      initial: limits.initialWindow,
      max: limits.maxWindow,
      growth: limits.windowGrowth,
      streams: limits.maxStreams,
    };
    this.#parts = {
      isServer,
      outbox,
      table: new StreamTable(isServer),
      inflow: new Inflow(windows, clock, (id, increment) => outbox.control(encodeWindowUpdate(id, increment))),
      guard: new FloodGuard(clock),
      decoder: new HpackDecoder({ maxTableSize: DEFAULT_HEADER_TABLE, maxListSize: limits.maxHeaderList }),
      encoder: new HpackEncoder(),
      peer: defaultPeerSettings(),
    };
    const { maxFrame, maxHeaderList } = limits;
    // Twice the decoded limit: a list that is a little too large is refused politely, a huge one ends the connection.
    const maxBlock = maxHeaderList * 2;
    const dispatch = new FrameDispatch(this.#parts, this.#hooks());
    this.#reader = new FrameReader(dispatch, { maxFrame, maxBlock, expectsPreface: isServer });
    this.#roundTrip = new RoundTrip(clock);
    this.#rate = new RateMeter(clock, () => this.#bytesRead + outbox.bytesWritten);
    this.#keepalive = new Keepalive(
      { clock, bytesRead: () => this.#bytesRead, sendPing: () => this.#ping(), onLost: () => this.#lost() },
      { intervalMs: limits.pingIntervalMs, timeoutMs: limits.pingTimeoutMs },
    );
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get openStreams(): number {
    return this.#parts.table.size;
  }

  /** How many streams may be open at a time, by both sides' limits. */
  get maxStreams(): number {
    return Math.min(this.#setup.limits.maxStreams, this.#parts.peer.maxConcurrentStreams);
  }

  /** Whether {@link request} may be called. */
  get canOpen(): boolean {
    return !this.#isClosed && !this.#isDraining && this.openStreams < this.maxStreams;
  }

  /** Streams move or hold so much that new ones would fare better on another connection. */
  get isCongested(): boolean {
    const { outbox, inflow } = this.#parts;
    return outbox.isBlocked || inflow.isExhausted || this.#rate.perSecond > BULK_RATE;
  }

  stats(): ConnectionStats {
    const { table, inflow, outbox } = this.#parts;
    return {
      streams: table.size,
      streamsOpened: table.opened,
      bytesRead: this.#bytesRead,
      bytesWritten: outbox.bytesWritten,
      held: inflow.held,
      peakHeld: inflow.peakHeld,
      heldBound: inflow.bound,
      roundTripMs: this.#roundTrip.ms,
      isDraining: this.#isDraining,
    };
  }

  /** Sends preface and settings and begins to read. */
  start(): void {
    const { outbox, inflow, isServer } = this.#parts;
    const { limits, clock, buffers, isOutermost } = this.#setup;
    if (!isServer) outbox.control(PREFACE);
    outbox.control(
      encodeSettings([
        isServer ? [Setting.maxConcurrentStreams, limits.maxStreams] : [Setting.enablePush, 0],
        [Setting.initialWindowSize, limits.initialWindow],
        [Setting.maxFrameSize, limits.maxFrame],
        [Setting.maxHeaderListSize, limits.maxHeaderList],
      ]),
    );
    inflow.open();
    outbox.flushNow();
    this.#roundTrip.ask();
    this.#settingsTimer = clock.setTimer(limits.settingsTimeoutMs, () => this.#settingsLate(), { background: true });
    this.#keepalive.start();
    const transport = this.#transport;
    transport.on("error", (error: unknown) => this.#shutdown(connectionClosedError(this.#setup.peerName, error)));
    transport.on("end", () => this.#onTransportEnd());
    transport.on("close", () => this.#onTransportEnd());
    const isBorrowed = isOutermost && borrowReads(transport, buffers.record, this.#onData);
    if (!isBorrowed) transport.on("data", this.#onData);
  }

  /** Client: sends a request. The caller has asked {@link canOpen}. */
  request(fields: readonly HeaderField[], onResponse: (head: ResponseHead, isEndStream: boolean) => void): H2Stream {
    this.#checkSize(fields);
    const stream = this.#createStream(this.#parts.table.takeLocalId());
    stream.onResponse = onResponse;
    this.#sendHeaders(stream.id, fields, false);
    if (!this.#parts.table.hasIdsLeft) this.drain();
    return stream;
  }

  /** Takes no new streams; the connection closes when the last one is over. */
  drain(): void {
    if (this.#isClosed || this.#isDraining) return;
    const { outbox, isServer } = this.#parts;
    // RFC 9113 section 6.8: a server first says that it will stop, then, a round trip later, where it stopped.
    outbox.control(encodeGoaway(isServer ? MAX_STREAM_ID : 0, H2Code.noError));
    if (isServer) {
      this.#ping();
      const { clock } = this.#setup;
      this.#drainTimer = clock.setTimer(DRAIN_PING_MS, () => this.#nameLastStream(), { background: true });
    }
    this.#beginDraining();
  }

  /** Ends the connection and all its streams at once, telling the peer. */
  abort(error: MeshError, code: number = H2Code.noError): void {
    this.#goodbye(code);
    this.#shutdown(error);
  }

  send(stream: H2Stream, chunk: Buffer): boolean {
    return this.#parts.outbox.send(stream, chunk);
  }

  sendShared(stream: H2Stream, buffer: Buffer, size: number): boolean {
    return this.#parts.outbox.sendShared(stream, buffer, size);
  }

  end(stream: H2Stream): void {
    this.#parts.outbox.end(stream);
  }

  consumed(stream: H2Stream, count: number): void {
    this.#parts.inflow.consumed(stream, count);
  }

  /** @throws MeshError HBONE_LIMIT when the peer takes no header list of this size. */
  respond(stream: H2Stream, fields: readonly HeaderField[], isEndStream: boolean): void {
    this.#checkSize(fields);
    this.#sendHeaders(stream.id, fields, isEndStream);
    if (isEndStream) stream.onEndSent();
  }

  reset(stream: H2Stream, code: number, error: MeshError): void {
    this.#parts.outbox.control(encodeRstStream(stream.id, code));
    this.#parts.table.rememberReset(stream.id);
    this.#drop(stream, code, error, "local");
  }

  finished(stream: H2Stream): void {
    this.#parts.table.remove(stream);
    this.#streamGone();
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytesRead += chunk.length;
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error;
      this.abort(protocolError(this.#setup.peerName, error.code, error.message), error.code);
    }
  };

  #hooks(): ConstructorParameters<typeof FrameDispatch>[1] {
    const { events, limits, peerName } = this.#setup;
    return {
      admit: (id) => {
        if (id > this.#lastAdmitted) return "ignore";
        return this.openStreams < limits.maxStreams ? "take" : "refuse";
      },
      createStream: (id) => this.#createStream(id),
      onRequest: (stream, head) => events.onRequest?.(stream, head),
      resetStream: (stream, code, message) => {
        if (!stream.isAnswered) this.#parts.guard.spend("resets");
        this.reset(stream, code, protocolError(peerName, code, `the peer ${message}`));
      },
      onPeerReset: (stream, code) => this.#drop(stream, code, peerResetError(peerName, code), "peer"),
      onFirstSettings: () => {
        this.#isReady = true;
        events.onReady?.();
      },
      onSettingsAck: () => {
        this.#settingsTimer?.cancel();
        this.#measured();
      },
      onPingAck: (payload) => this.#onPingAck(payload),
      onGoaway: (lastStreamId, code) => this.#onGoaway(lastStreamId, code),
    };
  }

  #createStream(id: number): H2Stream {
    const { inflow, peer, table } = this.#parts;
    const stream = new H2Stream(id, this, inflow.initialState(), peer.initialWindow);
    table.add(stream);
    return stream;
  }

  /** The limit is advice (RFC 9113 section 6.5.2): a bare status goes out whatever it says. */
  #checkSize(fields: readonly HeaderField[]): void {
    if (fields.length === 1) return;
    let size = 0;
    for (const [name, value] of fields) size += fieldSize(name, value);
    const { maxHeaderList } = this.#parts.peer;
    if (size <= maxHeaderList) return;
    const message = `${this.#setup.peerName} takes ${maxHeaderList} octets of headers, not ${size}; send fewer or shorter ones`;
    throw hboneErrors.create("HBONE_LIMIT", message, { details: { size, limit: maxHeaderList } });
  }

  #sendHeaders(streamId: number, fields: readonly HeaderField[], isEndStream: boolean): void {
    const { encoder, outbox, peer } = this.#parts;
    outbox.control(encodeHeaders(streamId, encoder.encode(fields), peer.maxFrame, isEndStream));
  }

  #drop(stream: H2Stream, code: number, error: MeshError, by: "peer" | "local"): void {
    const { table, inflow, outbox } = this.#parts;
    if (!table.remove(stream)) return;
    outbox.forget(stream);
    inflow.abandon(stream);
    stream.receiveReset({ by, code, error });
    this.#streamGone();
  }

  #streamGone(): void {
    this.#setup.events.onStreamGone?.();
    this.#finishIfDrained();
  }

  #ping(): void {
    this.#parts.outbox.control(encodePing(this.#roundTrip.nextPing(), false));
  }

  #onPingAck(payload: Buffer): void {
    if (!this.#roundTrip.isLastPing(payload)) return;
    this.#measured();
    if (this.#drainTimer) this.#nameLastStream();
  }

  #measured(): void {
    this.#parts.inflow.setRoundTrip(this.#roundTrip.answered());
  }

  #onGoaway(lastStreamId: number, code: number): void {
    const { table, isServer } = this.#parts;
    const { peerName } = this.#setup;
    if (!isServer) {
      const unprocessed = [...table].filter((stream) => stream.id > lastStreamId);
      for (const stream of unprocessed) this.#drop(stream, H2Code.refusedStream, goneAwayError(peerName), "peer");
    }
    if (code !== H2Code.noError) this.#shutdown(peerGoawayError(peerName, code));
    else this.#beginDraining();
  }

  #beginDraining(): void {
    if (this.#isClosed || this.#isDraining) return;
    this.#isDraining = true;
    this.#setup.events.onDraining?.();
    this.#finishIfDrained();
  }

  #nameLastStream(): void {
    this.#drainTimer?.cancel();
    this.#drainTimer = undefined;
    if (this.#isClosed) return;
    this.#lastAdmitted = this.#parts.table.lastPeerId;
    this.#parts.outbox.control(encodeGoaway(this.#lastAdmitted, H2Code.noError));
    this.#finishIfDrained();
  }

  /** Everything is said and done: closes once it has left. */
  #finishIfDrained(): void {
    if (this.#isClosed || !this.#isDraining || this.openStreams > 0 || this.#drainTimer) return;
    this.#parts.outbox.flushNow();
    this.#closeIfFinished();
  }

  #closeIfFinished(): void {
    if (this.#isDraining && this.openStreams === 0 && !this.#drainTimer && this.#parts.outbox.isIdle) {
      this.#shutdown(undefined);
    }
  }

  #lost(): void {
    const { peerName } = this.#setup;
    const message = `${peerName} did not answer a ping`;
    this.abort(hboneErrors.create("HBONE_CONNECTION_LOST", message, { details: { peer: peerName } }));
  }

  #settingsLate(): void {
    const { peerName, limits } = this.#setup;
    const what = this.#isReady ? "did not acknowledge our settings" : "sent no settings";
    const message = `${peerName} ${what} within ${limits.settingsTimeoutMs} ms`;
    const details = { peer: peerName, phase: "settings", timeoutMs: limits.settingsTimeoutMs };
    this.abort(hboneErrors.create("HBONE_TIMEOUT", message, { details }), H2Code.settingsTimeout);
  }

  #onTransportEnd(): void {
    this.#shutdown(
      this.#isDraining && this.openStreams === 0 ? undefined : connectionClosedError(this.#setup.peerName),
    );
    this.#transport.destroy();
  }

  /** The last words of a connection: after what is staged, if the transport takes it at all. */
  #goodbye(code: number): void {
    if (this.#isClosed || this.#transport.destroyed) return;
    this.#parts.outbox.flushNow();
    this.#transport.write(encodeGoaway(this.#parts.isServer ? this.#parts.table.lastPeerId : 0, code));
  }

  #shutdown(error: MeshError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isDraining = true;
    this.#reader.stop();
    this.#keepalive[Symbol.dispose]();
    this.#settingsTimer?.cancel();
    this.#drainTimer?.cancel();
    this.#parts.outbox.close();
    const reason = error ?? connectionClosedError(this.#setup.peerName);
    for (const stream of this.#parts.table) this.#drop(stream, H2Code.cancel, reason, "peer");
    linger(this.#transport, this.#setup.clock);
    this.#setup.events.onClosed?.(error);
  }
}

function peerGoawayError(peer: string, code: number): MeshError {
  return connectionClosedError(peer, protocolError(peer, code, "the peer ended the connection"));
}
