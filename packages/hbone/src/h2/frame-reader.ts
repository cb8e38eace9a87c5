// SPDX-License-Identifier: Apache-2.0
import { DEFAULT_MAX_FRAME, Flag, FRAME_HEADER_BYTES, FrameType, H2Code, PREFACE } from "./constants.ts";
import { ConnectionFault } from "./connection-fault.ts";
import { BlockAssembler } from "./block-assembler.ts";

/**
 * What a {@link FrameReader} finds. Buffers are only valid during the call. Frames arrive checked for size, for a
 * stream id that fits their type and for padding; everything that needs the state of streams is the handler's.
 */
export interface FrameHandler {
  /** A DATA frame begins; `length` is what flow control counts, padding included. */
  onDataStart(streamId: number, length: number): void;
  /** A piece of the frame's content, given as it arrives. */
  onData(chunk: Buffer, start: number, end: number): void;
  /** The frame is complete; `overhead` is the part of its length that was padding. */
  onDataEnd(overhead: number, isEndStream: boolean): void;
  /** A whole header block, joined from HEADERS and CONTINUATION. */
  onHeaders(streamId: number, block: Buffer, isEndStream: boolean): void;
  onRstStream(streamId: number, code: number): void;
  /** Not an acknowledgement; the length is a multiple of six. */
  onSettings(payload: Buffer): void;
  onSettingsAck(): void;
  onPing(payload: Buffer, isAck: boolean): void;
  onGoaway(lastStreamId: number, code: number): void;
  onWindowUpdate(streamId: number, increment: number): void;
  /** PRIORITY or a frame of unknown type, of no effect. */
  onIgnored(): void;
}

export interface FrameReaderOptions {
  /** SETTINGS_MAX_FRAME_SIZE as announced to the peer. */
  readonly maxFrame?: number;
  /** Most octets of one encoded header block. */
  readonly maxBlock?: number;
  /** A server: the client's preface comes first. */
  readonly expectsPreface?: boolean;
}

// As nghttp2: more entries than any real peer sends, each of them work.
const MAX_SETTINGS_BYTES = 32 * 6;
const EMPTY = Buffer.alloc(0);

const State = { preface: 0, header: 1, padLength: 2, data: 3, collect: 4, skip: 5, stopped: 6 } as const;
type StateName = (typeof State)[keyof typeof State];

/** Cuts the octets of one direction of a connection into frames, whatever pieces they arrive in. DATA is never stored. */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #maxFrame: number;
  readonly #blocks: BlockAssembler;
  readonly #header: Buffer = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  #state: StateName = State.header;
  /** Octets of the preface, the header or the collected payload that are there already. */
  #filled = 0;
  #type = 0;
  #flags = 0;
  #streamId = 0;
  /** Octets of content (DATA) or payload (others) still to come. */
  #remaining = 0;
  /** Octets to skip at the end of the frame: padding, debug data, unknown frames. */
  #trailing = 0;
  #overhead = 0;
  #payload: Buffer = EMPTY;

  constructor(handler: FrameHandler, options: FrameReaderOptions = {}) {
    this.#handler = handler;
    this.#maxFrame = options.maxFrame ?? DEFAULT_MAX_FRAME;
    this.#blocks = new BlockAssembler(options.maxBlock ?? 64 * 1024);
    if (options.expectsPreface) this.#state = State.preface;
  }

  /** Nothing more is read, not even the rest of the chunk whose handling led here. */
  stop(): void {
    this.#state = State.stopped;
    this.#payload = EMPTY;
  }

  /** @throws ConnectionFault for whatever breaks the framing; the reader must not be used again then. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#state !== State.stopped) at = this.#step(chunk, at);
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case State.data:
        return this.#readData(chunk, at);
      case State.header:
        return this.#readHeader(chunk, at);
      case State.collect:
        return this.#collect(chunk, at);
      case State.skip:
        return this.#skip(chunk, at);
      case State.padLength:
        this.#startPadded(chunk[at] as number);
        return at + 1;
      default:
        return this.#readPreface(chunk, at);
    }
  }

  #readPreface(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + PREFACE.length - this.#filled);
    if (PREFACE.compare(chunk, at, end, this.#filled, this.#filled + end - at) !== 0) {
      throw new ConnectionFault(
        H2Code.protocolError,
        "the peer does not speak HTTP/2: its first octets are no preface",
      );
    }
    this.#filled += end - at;
    if (this.#filled === PREFACE.length) this.#expectHeader();
    return end;
  }

  #expectHeader(): void {
    this.#state = State.header;
    this.#filled = 0;
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#filled === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      this.#begin(chunk, at);
      return at + FRAME_HEADER_BYTES;
    }
    const end = Math.min(chunk.length, at + FRAME_HEADER_BYTES - this.#filled);
    chunk.copy(this.#header, this.#filled, at, end);
    this.#filled += end - at;
    if (this.#filled === FRAME_HEADER_BYTES) this.#begin(this.#header, 0);
    return end;
  }

  #begin(header: Buffer, at: number): void {
    const length = header.readUIntBE(at, 3);
    this.#type = header[at + 3] as number;
    this.#flags = header[at + 4] as number;
    this.#streamId = header.readUInt32BE(at + 5) & 0x7fffffff;
    this.#filled = 0;
    this.#remaining = length;
    this.#trailing = 0;
    if (length > this.#maxFrame) {
      throw sizeFault(`a frame of ${length} octets is over the limit of ${this.#maxFrame}`);
    }
    this.#blocks.checkOrder(this.#type, this.#streamId);
    if (this.#type === FrameType.data) this.#beginData(length);
    else this.#beginOther(length);
  }

  #beginData(length: number): void {
    if (this.#streamId === 0) throw idFault("DATA");
    this.#overhead = 0;
    this.#handler.onDataStart(this.#streamId, length);
    if ((this.#flags & Flag.padded) !== 0) {
      if (length === 0) throw sizeFault("a padded DATA frame has no room for its padding");
      this.#state = State.padLength;
    } else if (length > 0) this.#state = State.data;
    else this.#endData();
  }

  #startPadded(padding: number): void {
    const content = this.#remaining - 1 - padding;
    if (content < 0) throw new ConnectionFault(H2Code.protocolError, "the padding of a DATA frame exceeds its payload");
    this.#remaining = content;
    this.#trailing = padding;
    this.#overhead = padding + 1;
    this.#state = State.data;
    if (content === 0) this.#endData();
  }

  #readData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= end - at;
    this.#handler.onData(chunk, at, end);
    if (this.#remaining === 0) this.#endData();
    return end;
  }

  /** Padding is nobody's business: the frame counts as complete before it has arrived. */
  #endData(): void {
    this.#endFrame();
    this.#handler.onDataEnd(this.#overhead, (this.#flags & Flag.endStream) !== 0);
  }

  #endFrame(): void {
    if (this.#state === State.stopped) return;
    this.#expectHeader();
    if (this.#trailing > 0) this.#state = State.skip;
  }

  #skip(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#trailing);
    this.#trailing -= end - at;
    if (this.#trailing === 0) this.#expectHeader();
    return end;
  }

  #beginOther(length: number): void {
    const kept = this.#payloadKept(length);
    this.#trailing = length - kept;
    this.#remaining = kept;
    this.#state = State.collect;
    if (kept === 0) this.#finish(EMPTY);
  }

  /** How much of the payload has to be stored, after checking its length and stream id by type. */
  #payloadKept(length: number): number {
    const isOfStream = this.#streamId !== 0;
    switch (this.#type) {
      case FrameType.headers:
      case FrameType.continuation:
        if (!isOfStream) throw idFault("HEADERS");
        this.#blocks.checkRoom(length);
        return length;
      case FrameType.rstStream:
        if (!isOfStream) throw idFault("RST_STREAM");
        return exactly(4, length, "RST_STREAM");
      case FrameType.settings:
        return this.#settingsKept(length);
      case FrameType.ping:
        if (isOfStream) throw idFault("PING");
        return exactly(8, length, "PING");
      case FrameType.goaway:
        if (isOfStream) throw idFault("GOAWAY");
        return exactly(8, Math.min(length, 8), "GOAWAY");
      case FrameType.windowUpdate:
        return exactly(4, length, "WINDOW_UPDATE");
      case FrameType.priority:
        if (!isOfStream) throw idFault("PRIORITY");
        exactly(5, length, "PRIORITY");
        return 0;
      case FrameType.pushPromise:
        throw new ConnectionFault(H2Code.protocolError, "PUSH_PROMISE came although push is disabled");
      default:
        return 0;
    }
  }

  #settingsKept(length: number): number {
    if (this.#streamId !== 0) throw idFault("SETTINGS");
    if ((this.#flags & Flag.ack) !== 0) return exactly(0, length, "an acknowledgement of SETTINGS");
    if (length % 6 !== 0) throw sizeFault(`SETTINGS has ${length} octets, which is no multiple of 6`);
    if (length > MAX_SETTINGS_BYTES) {
      throw new ConnectionFault(H2Code.enhanceYourCalm, `SETTINGS has ${length / 6} entries`);
    }
    return length;
  }

  #collect(chunk: Buffer, at: number): number {
    const missing = this.#remaining - this.#filled;
    if (this.#filled === 0 && chunk.length - at >= missing) {
      this.#finish(chunk.subarray(at, at + missing));
      return at + missing;
    }
    if (this.#filled === 0) this.#payload = Buffer.allocUnsafe(this.#remaining);
    const end = Math.min(chunk.length, at + missing);
    chunk.copy(this.#payload, this.#filled, at, end);
    this.#filled += end - at;
    if (this.#filled === this.#remaining) {
      const payload = this.#payload;
      this.#payload = EMPTY;
      this.#finish(payload);
    }
    return end;
  }

  #finish(payload: Buffer): void {
    this.#endFrame();
    const handler = this.#handler;
    const isAck = (this.#flags & Flag.ack) !== 0;
    switch (this.#type) {
      case FrameType.headers:
      case FrameType.continuation: {
        const block = this.#blocks.add(this.#type, this.#flags, this.#streamId, payload);
        if (block) handler.onHeaders(this.#streamId, block, this.#blocks.isEndStream);
        return;
      }
      case FrameType.rstStream:
        return handler.onRstStream(this.#streamId, payload.readUInt32BE(0));
      case FrameType.settings:
        return isAck ? handler.onSettingsAck() : handler.onSettings(payload);
      case FrameType.ping:
        return handler.onPing(payload, isAck);
      case FrameType.goaway:
        return handler.onGoaway(payload.readUInt32BE(0) & 0x7fffffff, payload.readUInt32BE(4));
      case FrameType.windowUpdate:
        return handler.onWindowUpdate(this.#streamId, payload.readUInt32BE(0) & 0x7fffffff);
      default:
        return handler.onIgnored();
    }
  }
}

function exactly(wanted: number, length: number, what: string): number {
  if (length !== wanted) throw sizeFault(`${what} has ${length} octets instead of ${wanted}`);
  return length;
}

function sizeFault(message: string): ConnectionFault {
  return new ConnectionFault(H2Code.frameSizeError, message);
}

function idFault(type: string): ConnectionFault {
  return new ConnectionFault(H2Code.protocolError, `${type} came on a stream id that it can't have`);
}
