// SPDX-License-Identifier: Apache-2.0
import { H2Code, MAX_WINDOW } from "../h2/constants.ts";
import { ConnectionFault } from "../h2/connection-fault.ts";
import type { FrameHandler } from "../h2/frame-reader.ts";
import { encodePing, encodeRstStream, encodeSettingsAck } from "../h2/frame-writer.ts";
import type { DecodedBlock, HpackDecoder } from "../h2/hpack/decoder.ts";
import type { HpackEncoder } from "../h2/hpack/encoder.ts";
import { parseRequest, parseResponse, type RequestHead } from "../h2/message.ts";
import { applySettings, type PeerSettings } from "../h2/settings.ts";
import type { FloodGuard } from "./flood-guard.ts";
import type { Inflow } from "./inflow.ts";
import type { Outbox } from "./outbox.ts";
import type { StreamTable } from "./stream-table.ts";
import type { H2Stream } from "./stream.ts";

/** Largest DATA frame we send to peers that take more: as much as is read at once. */
const MAX_SENT_FRAME = 1024 * 1024;

/** The parts of a connection that incoming frames act on. */
export interface ConnectionParts {
  readonly isServer: boolean;
  readonly table: StreamTable;
  readonly outbox: Outbox;
  readonly inflow: Inflow;
  readonly guard: FloodGuard;
  readonly decoder: HpackDecoder;
  readonly encoder: HpackEncoder;
  readonly peer: PeerSettings;
}

/** What incoming frames ask of the connection as a whole. */
export interface DispatchHooks {
  /** Server: whether a new stream is taken, refused (the client may retry), or ignored after a GOAWAY. */
  admit(streamId: number): "take" | "refuse" | "ignore";
  /** Server: a well-formed request, or undefined if its header list is too large. */
  onRequest(stream: H2Stream, head: RequestHead | undefined): void;
  createStream(id: number): H2Stream;
  /** A stream is over for a fault of the peer. */
  resetStream(stream: H2Stream, code: number, message: string): void;
  /** The stream was taken out of the table by the peer's reset. */
  onPeerReset(stream: H2Stream, code: number): void;
  onFirstSettings(): void;
  onSettingsAck(): void;
  onPingAck(payload: Buffer): void;
  onGoaway(lastStreamId: number, code: number): void;
}

/** What each incoming frame means in the state its stream is in (RFC 9113 sections 5 and 6). */
export class FrameDispatch implements FrameHandler {
  readonly #parts: ConnectionParts;
  readonly #hooks: DispatchHooks;
  #hasSettings = false;
  /** The stream of the DATA frame that is being read, unless its content is to be dropped. */
  #current: H2Stream | undefined;
  #currentLength = 0;

  constructor(parts: ConnectionParts, hooks: DispatchHooks) {
    this.#parts = parts;
    this.#hooks = hooks;
  }

  onDataStart(streamId: number, length: number): void {
    const { table, inflow, isServer } = this.#parts;
    const stream = table.get(streamId);
    this.#current = undefined;
    this.#currentLength = length;
    if (stream === undefined || stream.isRemoteEnded || !(isServer || stream.isAnswered)) {
      inflow.receive(undefined, length);
      this.#rejectData(streamId, stream);
    } else if (inflow.receive(stream, length)) this.#current = stream;
    else this.#hooks.resetStream(stream, H2Code.flowControlError, "sent more than the stream's window");
  }

  onData(chunk: Buffer, start: number, end: number): void {
    const stream = this.#current;
    if (stream !== undefined && !stream.isClosed) stream.receive(chunk, start, end);
  }

  onDataEnd(overhead: number, isEndStream: boolean): void {
    const stream = this.#current;
    this.#current = undefined;
    if (this.#currentLength === overhead && !isEndStream) this.#parts.guard.spend("useless");
    if (stream === undefined || stream.isClosed) return;
    if (overhead > 0) this.#parts.inflow.consumed(stream, overhead);
    if (isEndStream) this.#endRemote(stream);
  }

  onHeaders(streamId: number, block: Buffer, isEndStream: boolean): void {
    this.#requireSettings();
    // Always decoded, as the table of the next block depends on it.
    const decoded = this.#parts.decoder.decode(block);
    const stream = this.#parts.table.get(streamId);
    if (stream === undefined) this.#onHeadersOfNone(streamId, decoded, isEndStream);
    else if (stream.isRemoteEnded)
      this.#hooks.resetStream(stream, H2Code.streamClosed, "sent HEADERS after END_STREAM");
    else if (this.#parts.isServer || stream.isAnswered) {
      this.#hooks.resetStream(stream, H2Code.protocolError, "sent HEADERS inside a tunnel (RFC 9113 section 8.5)");
    } else this.#onResponse(stream, decoded, isEndStream);
  }

  onRstStream(streamId: number, code: number): void {
    const { table, guard, isServer } = this.#parts;
    const stream = table.get(streamId);
    if (stream === undefined) {
      this.#requireBegun(streamId);
      guard.spend("useless");
      return;
    }
    if (isServer && !stream.isAnswered) guard.spend("resets");
    this.#hooks.onPeerReset(stream, code);
  }

  onSettings(payload: Buffer): void {
    const { guard, peer, encoder, outbox, isServer } = this.#parts;
    guard.spend("settings");
    const initialWindow = peer.initialWindow;
    applySettings(peer, payload, !isServer);
    encoder.setMaxTableSize(peer.headerTableSize);
    outbox.maxFrame = Math.min(peer.maxFrame, MAX_SENT_FRAME);
    outbox.reply(encodeSettingsAck());
    if (peer.initialWindow !== initialWindow) this.#shiftWindows(peer.initialWindow - initialWindow);
    if (this.#hasSettings) return;
    this.#hasSettings = true;
    this.#hooks.onFirstSettings();
  }

  onSettingsAck(): void {
    this.#requireSettings();
    this.#parts.guard.spend("settings");
    this.#hooks.onSettingsAck();
  }

  onPing(payload: Buffer, isAck: boolean): void {
    this.#requireSettings();
    this.#parts.guard.spend("pings");
    if (isAck) this.#hooks.onPingAck(payload);
    else this.#parts.outbox.reply(encodePing(payload, true));
  }

  onGoaway(lastStreamId: number, code: number): void {
    this.#requireSettings();
    this.#parts.guard.spend("settings");
    this.#hooks.onGoaway(lastStreamId, code);
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const { table, outbox } = this.#parts;
    this.#requireSettings();
    if (streamId === 0) {
      if (increment === 0) throw protocolFault("WINDOW_UPDATE of the connection by 0");
      outbox.window += increment;
      if (outbox.window > MAX_WINDOW) throw windowFault();
      outbox.resume();
      return;
    }
    const stream = table.get(streamId);
    if (stream === undefined) this.#requireBegun(streamId);
    else if (increment === 0) this.#hooks.resetStream(stream, H2Code.protocolError, "raised the window by 0");
    else if (stream.sendWindow + increment > MAX_WINDOW) {
      this.#hooks.resetStream(stream, H2Code.flowControlError, "raised the window over 2^31-1");
    } else {
      stream.sendWindow += increment;
      outbox.markReady(stream);
    }
  }

  onIgnored(): void {
    this.#requireSettings();
    this.#parts.guard.spend("useless");
  }

  #onHeadersOfNone(streamId: number, decoded: DecodedBlock, isEndStream: boolean): void {
    const { table, isServer } = this.#parts;
    if (isServer && streamId % 2 === 1 && table.isIdle(streamId)) {
      this.#onNewStream(streamId, decoded, isEndStream);
      return;
    }
    this.#requireBegun(streamId);
    if (!table.wasReset(streamId)) throw new ConnectionFault(H2Code.streamClosed, "HEADERS came on a closed stream");
  }

  #onNewStream(streamId: number, decoded: DecodedBlock, isEndStream: boolean): void {
    const { table, inflow } = this.#parts;
    table.notePeerId(streamId);
    const verdict = this.#hooks.admit(streamId);
    if (verdict === "ignore") {
      table.rememberReset(streamId);
      return;
    }
    if (verdict === "refuse") {
      this.#refuseUnseen(streamId, H2Code.refusedStream);
      return;
    }
    const head = decoded.isTooLarge ? undefined : parseRequest(decoded.fields);
    if (head !== undefined && "malformed" in head) {
      this.#refuseUnseen(streamId, H2Code.protocolError);
      return;
    }
    const stream = this.#hooks.createStream(streamId);
    if (isEndStream) inflow.finish(stream);
    this.#hooks.onRequest(stream, head);
  }

  #onResponse(stream: H2Stream, decoded: DecodedBlock, isEndStream: boolean): void {
    const { guard, inflow } = this.#parts;
    if (decoded.isTooLarge) {
      this.#hooks.resetStream(stream, H2Code.cancel, `answered with ${decoded.listSize} octets of headers`);
      return;
    }
    const head = parseResponse(decoded.fields);
    const isInterim = "status" in head && head.status < 200;
    if ("malformed" in head || (isInterim && isEndStream)) {
      this.#hooks.resetStream(stream, H2Code.protocolError, "malformed" in head ? head.malformed : "ended with 1xx");
      return;
    }
    if (isInterim) {
      guard.spend("useless");
      return;
    }
    stream.isAnswered = true;
    if (isEndStream) inflow.finish(stream);
    stream.onResponse?.(head, isEndStream);
  }

  #rejectData(streamId: number, stream: H2Stream | undefined): void {
    if (stream?.isRemoteEnded) this.#hooks.resetStream(stream, H2Code.streamClosed, "sent DATA after END_STREAM");
    else if (stream) this.#hooks.resetStream(stream, H2Code.protocolError, "sent DATA before its answer to CONNECT");
    else {
      this.#requireBegun(streamId);
      if (!this.#parts.table.wasReset(streamId)) this.#refuseUnseen(streamId, H2Code.streamClosed);
    }
  }

  #refuseUnseen(streamId: number, code: number): void {
    this.#parts.guard.spend("resets");
    this.#parts.table.rememberReset(streamId);
    this.#parts.outbox.reply(encodeRstStream(streamId, code));
  }

  #endRemote(stream: H2Stream): void {
    this.#parts.inflow.finish(stream);
    stream.receiveEnd();
  }

  /** RFC 9113 section 6.9.2: a new initial window moves the windows of all streams, possibly below zero. */
  #shiftWindows(delta: number): void {
    const { table, outbox } = this.#parts;
    for (const stream of table) {
      stream.sendWindow += delta;
      if (stream.sendWindow > MAX_WINDOW) throw windowFault();
      outbox.markReady(stream);
    }
  }

  #requireSettings(): void {
    if (!this.#hasSettings) throw protocolFault("the peer's first frame is not SETTINGS");
  }

  #requireBegun(streamId: number): void {
    this.#requireSettings();
    if (this.#parts.table.isIdle(streamId)) throw protocolFault("a frame came on a stream that nobody has begun");
  }
}

function protocolFault(message: string): ConnectionFault {
  return new ConnectionFault(H2Code.protocolError, message);
}

function windowFault(): ConnectionFault {
  return new ConnectionFault(H2Code.flowControlError, "the peer raised a window over 2^31-1");
}
