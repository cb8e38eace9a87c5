// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { BULK_BYTES, HEADROOM, type IoBuffers } from "../buffers/io-buffers.ts";
import { DEFAULT_MAX_FRAME, DEFAULT_WINDOW, Flag, FRAME_HEADER_BYTES, H2Code } from "../h2/constants.ts";
import { ConnectionFault } from "../h2/connection-fault.ts";
import { writeDataHeader } from "../h2/frame-writer.ts";
import type { SendSide } from "./send-queue.ts";

/** Pieces up to this size are copied together with others; larger ones are worth a write of their own. */
const SMALL = 16 * 1024;
/** Larger pieces than this are parked in a block: smaller ones would waste it. */
const MAX_APPENDED = 64 * 1024;
/** Data stops being staged here, which leaves the rest to control frames. */
const MAX_STAGED_DATA = 64 * 1024;
/** A peer that asks for answers but does not read them gets no further than this. */
const MAX_STAGED = 256 * 1024;
const FIRST_STAGED = 1024;
/** Memory kept by an idle connection. */
const KEPT_STAGED = 16 * 1024;
/** Staged frames up to this size are copied in front of bulk data; more of them are written first. */
const MAX_AHEAD = BULK_BYTES / 4;
/** What one of several busy streams may put into one write. */
const QUANTUM = BULK_BYTES / 4;

/**
 * The sending side of a connection. What is small leaves together with what comes until the transport is ready for it;
 * large pieces go out as they are, with their header written in front, when nothing else waits.
 */
export class Outbox {
  readonly #transport: Duplex;
  readonly #buffers: IoBuffers;
  readonly #isTls: boolean;
  readonly #onIdle: () => void;
  readonly #ready: SendSide[] = [];
  #flushed: SendSide[] = [];
  #staged: Buffer = Buffer.allocUnsafeSlow(FIRST_STAGED);
  #stagedLength = 0;
  #isFlushing = false;
  #lazyFlush: NodeJS.Immediate | undefined;
  #isWriting = false;
  #isClosed = false;
  #bytesWritten = 0;
  /** What the peer lets all streams together send. */
  window: number = DEFAULT_WINDOW;
  /** The peer's SETTINGS_MAX_FRAME_SIZE. */
  maxFrame: number = DEFAULT_MAX_FRAME;

  /** `onIdle` is called whenever the transport has taken all there was to send. */
  constructor(transport: Duplex, buffers: IoBuffers, onIdle: () => void = () => {}) {
    this.#onIdle = onIdle;
    this.#transport = transport;
    this.#buffers = buffers;
    this.#isTls = transport instanceof TLSSocket;
  }

  /** Octets of frames given to the transport. */
  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** Octets of frames that wait for the transport. */
  get staged(): number {
    return this.#stagedLength;
  }

  get isIdle(): boolean {
    return !this.#isWriting && this.#stagedLength === 0 && this.#ready.length === 0;
  }

  /** True while streams have bytes that only the connection's window holds back. */
  get isBlocked(): boolean {
    return this.window <= 0 && this.#ready.length > 0;
  }

  /**
   * Sends a frame that answers one of the peer's.
   * @throws ConnectionFault when the peer makes us say more than it reads.
   */
  reply(frame: Buffer): void {
    if (this.#stagedLength + frame.length > MAX_STAGED) {
      throw new ConnectionFault(H2Code.enhanceYourCalm, "the peer does not read the answers to its frames");
    }
    this.control(frame);
  }

  /** Sends a frame other than DATA that is ours to send, and so bounded by our own limits. */
  control(frame: Buffer): void {
    if (this.#isClosed) return;
    this.#reserve(frame.length);
    this.#stagedLength += frame.copy(this.#staged, this.#stagedLength);
    this.#flushLater();
  }

  /**
   * Sends a chunk on the stream. True: nothing of it is needed any longer, and more may follow at once. False: it must stay
   * as it is until {@link SendSide.onFlushed} tells that it has left.
   */
  send(side: SendSide, chunk: Buffer): boolean {
    if (this.#isClosed) return false;
    if (this.#canStage(side, chunk.length)) return this.#stageAndFlush(side, chunk, 0, chunk.length);
    side.sendQueue.push(chunk);
    this.markReady(side);
    return false;
  }

  /**
   * Sends `size` octets of a buffer that is overwritten after this call and has {@link HEADROOM} in front of them. True:
   * more may follow at once. False: {@link SendSide.onFlushed} will tell.
   */
  sendShared(side: SendSide, buffer: Buffer, size: number): boolean {
    if (this.#isClosed) return false;
    const end = HEADROOM + size;
    if (this.#canStage(side, size)) return this.#stageAndFlush(side, buffer, HEADROOM, end);
    if (this.#hasWindow(side, size) && this.#canSendNow()) {
      if (!this.#sendInPlace(side, buffer, HEADROOM, end)) this.#sendFramed(side, buffer, HEADROOM, end);
      return false;
    }
    this.#park(side, buffer, HEADROOM, end);
    this.markReady(side);
    return false;
  }

  /** Sends END_STREAM after all that is queued. */
  end(side: SendSide): void {
    side.isEnding = true;
    if (side.sendQueue.length > 0) return;
    this.#stageEnd(side);
    this.#flushLater();
  }

  /** The stream has bytes queued and may have a window to send them: look at it again. */
  markReady(side: SendSide): void {
    if (side.isReady || side.sendWindow <= 0 || side.sendQueue.length === 0) return;
    side.isReady = true;
    this.#ready.push(side);
    this.#flushSoon();
  }

  /** The stream is gone: nothing of it will be sent. */
  forget(side: SendSide): void {
    side.sendQueue.clear();
    this.#unpark(side);
    side.isEnding = false;
    const at = side.isReady ? this.#ready.indexOf(side) : -1;
    if (at >= 0) this.#ready.splice(at, 1);
    side.isReady = false;
  }

  /** The connection's window has grown. */
  resume(): void {
    if (this.#ready.length > 0) this.#flushSoon();
  }

  /** Writes what waits now rather than after what runs now. */
  flushNow(): void {
    this.#flush();
  }

  close(): void {
    this.#isClosed = true;
    if (this.#lazyFlush) clearImmediate(this.#lazyFlush);
    for (const side of this.#ready) side.isReady = false;
    this.#ready.length = 0;
    this.#flushed = [];
    this.#staged = Buffer.alloc(0);
    this.#stagedLength = 0;
  }

  /** Data leaves after what runs now: nothing is gained by waiting. */
  #flushSoon(): void {
    if (this.#isFlushing || this.#isWriting || this.#isClosed) return;
    this.#isFlushing = true;
    process.nextTick(this.#flush);
  }

  /** Other frames wait for those of the same turn of the event loop, as tunnels tend to come and go together. */
  #flushLater(): void {
    if (this.#isFlushing || this.#isWriting || this.#isClosed) return;
    this.#lazyFlush ??= setImmediate(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushing = false;
    if (this.#lazyFlush) clearImmediate(this.#lazyFlush);
    this.#lazyFlush = undefined;
    if (this.#isWriting || this.#isClosed) return;
    if (this.#ready.length > 0 && this.window > 0) this.#writeGathered();
    else if (this.#stagedLength > 0) this.#writeStaged();
  };

  /**
   * A TLS socket has encrypted (or copied) a buffer when write returns, provided that it passes it on at once: then the
   * memory may be used again. Corked or queued writes would send what was overwritten.
   */
  #copiesOnWrite(): boolean {
    return this.#isTls && this.#transport.writableLength === 0 && this.#transport.writableCorked === 0;
  }

  #hasWindow(side: SendSide, size: number): boolean {
    return side.sendQueue.length === 0 && size <= side.sendWindow && size <= this.window;
  }

  #canStage(side: SendSide, size: number): boolean {
    return size <= SMALL && this.#stagedLength + size < MAX_STAGED_DATA && this.#hasWindow(side, size);
  }

  #stageAndFlush(side: SendSide, chunk: Buffer, start: number, end: number): true {
    this.#stageData(side, chunk, start, end);
    this.#flushSoon();
    return true;
  }

  #canSendNow(): boolean {
    return !this.#isWriting && this.#ready.length === 0 && this.#stagedLength <= MAX_AHEAD && this.#copiesOnWrite();
  }

  /** No copy: what is staged and the frame header go into the headroom. */
  #sendInPlace(side: SendSide, chunk: Buffer, start: number, end: number): boolean {
    const ahead = this.#stagedLength;
    const size = end - start;
    if (size > this.maxFrame || ahead + FRAME_HEADER_BYTES > HEADROOM) return false;
    const header = start - FRAME_HEADER_BYTES;
    writeDataHeader(chunk, header, size, side.id);
    this.#staged.copy(chunk, header - ahead, 0, ahead);
    this.#stagedLength = 0;
    side.sendWindow -= size;
    this.window -= size;
    this.#flushed.push(side);
    this.#write(chunk.subarray(header - ahead, end));
    return true;
  }

  /** One copy, for peers that take small frames only. */
  #sendFramed(side: SendSide, chunk: Buffer, start: number, end: number): void {
    const target = this.#buffers.gather;
    let at = this.#takeStaged(target);
    for (let from = start; from < end;) {
      const size = Math.min(end - from, this.maxFrame);
      writeDataHeader(target, at, size, side.id);
      at += FRAME_HEADER_BYTES;
      at += chunk.copy(target, at, from, from + size);
      from += size;
    }
    side.sendWindow -= end - start;
    this.window -= end - start;
    this.#flushed.push(side);
    this.#write(target.subarray(0, at));
  }

  #takeStaged(target: Buffer): number {
    const length = this.#staged.copy(target, 0, 0, this.#stagedLength);
    this.#stagedLength = 0;
    return length;
  }

  /** Copies what was read into shared memory, for later. Large pieces go to a block from where they can be sent in place. */
  #park(side: SendSide, chunk: Buffer, start: number, end: number): void {
    if (end - start <= MAX_APPENDED || side.sendQueue.length > 0) {
      side.sendQueue.append(chunk, start, end);
      return;
    }
    const block = this.#buffers.blocks.take();
    const size = chunk.copy(block, HEADROOM, start, end);
    side.parked = block;
    side.sendQueue.push(block.subarray(HEADROOM, HEADROOM + size));
  }

  #unpark(side: SendSide): void {
    if (side.parked !== undefined) this.#buffers.blocks.give(side.parked);
    side.parked = undefined;
  }

  /** Sends what is left of a parked block from where it is; what was in front of it has been sent. */
  #sendParked(side: SendSide, block: Buffer): boolean {
    const piece = side.sendQueue.peek();
    const size = side.sendQueue.length;
    if (piece?.length !== size || piece.buffer !== block.buffer) return false;
    // An END_STREAM that waits would need a frame of its own; gathering puts it into the last one.
    if (side.isEnding || size > side.sendWindow || size > this.window || !this.#copiesOnWrite()) return false;
    const start = piece.byteOffset - block.byteOffset;
    if (!this.#sendInPlace(side, block, start, start + size)) return false;
    side.isReady = false;
    side.sendQueue.clear();
    this.#unpark(side);
    return true;
  }

  #stageData(side: SendSide, chunk: Buffer, start: number, end: number): void {
    side.sendWindow -= end - start;
    this.window -= end - start;
    for (let at = start; at < end;) {
      const size = Math.min(end - at, this.maxFrame);
      this.#reserve(size + FRAME_HEADER_BYTES);
      writeDataHeader(this.#staged, this.#stagedLength, size, side.id);
      this.#stagedLength += FRAME_HEADER_BYTES;
      this.#stagedLength += chunk.copy(this.#staged, this.#stagedLength, at, at + size);
      at += size;
    }
  }

  #stageEnd(side: SendSide): void {
    this.#reserve(FRAME_HEADER_BYTES);
    writeDataHeader(this.#staged, this.#stagedLength, 0, side.id);
    this.#staged[this.#stagedLength + 4] = Flag.endStream;
    this.#stagedLength += FRAME_HEADER_BYTES;
    side.isEnding = false;
    side.onEndSent();
  }

  #reserve(size: number): void {
    const needed = this.#stagedLength + size;
    if (needed <= this.#staged.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#staged.length * 2));
    this.#staged.copy(larger, 0, 0, this.#stagedLength);
    this.#staged = larger;
  }

  #writeStaged(): void {
    const length = this.#stagedLength;
    const frames = this.#staged.subarray(0, length);
    this.#stagedLength = 0;
    // What the transport keeps, or what grew in a burst, is let go.
    if (length > KEPT_STAGED || !this.#copiesOnWrite()) this.#staged = Buffer.allocUnsafeSlow(FIRST_STAGED);
    this.#write(frames);
  }

  /** Staged frames first, then the queues of busy streams in turn, as far as windows and one large write allow. */
  #writeGathered(): void {
    if (this.#stagedLength > MAX_AHEAD) {
      this.#writeStaged();
      return;
    }
    const [first] = this.#ready;
    if (first?.parked !== undefined && this.#sendParked(first, first.parked)) {
      this.#ready.shift();
      return;
    }
    const isReusable = this.#copiesOnWrite();
    const target = isReusable ? this.#buffers.gather : Buffer.allocUnsafeSlow(this.#gatherSize());
    const limit = Math.min(target.length, BULK_BYTES);
    let at = this.#takeStaged(target);
    while (this.#ready.length > 0 && this.window > 0 && limit - at > FRAME_HEADER_BYTES) {
      at = this.#gatherFrom(this.#ready.shift() as SendSide, target.subarray(0, limit), at);
    }
    if (at > 0) this.#write(target.subarray(0, at));
  }

  #gatherSize(): number {
    let size = this.#stagedLength;
    for (const side of this.#ready) size += Math.min(side.sendQueue.length, QUANTUM) + QUANTUM_HEADERS;
    return Math.min(size, BULK_BYTES);
  }

  #gatherFrom(side: SendSide, target: Buffer, offset: number): number {
    const share = this.#ready.length > 0 ? QUANTUM : BULK_BYTES;
    let left = Math.min(share, side.sendQueue.length, side.sendWindow, this.window);
    let at = offset;
    while (left > 0 && target.length - at > FRAME_HEADER_BYTES) {
      const size = Math.min(left, this.maxFrame, target.length - at - FRAME_HEADER_BYTES);
      writeDataHeader(target, at, size, side.id);
      if (side.isEnding && size === side.sendQueue.length) target[at + 4] = Flag.endStream;
      at += FRAME_HEADER_BYTES;
      at += side.sendQueue.copyTo(target, at, size);
      side.sendWindow -= size;
      this.window -= size;
      left -= size;
    }
    side.isReady = false;
    if (side.sendQueue.length === 0) this.#finished(side);
    else if (side.sendWindow > 0) {
      side.isReady = true;
      this.#ready.push(side);
    }
    return at;
  }

  #finished(side: SendSide): void {
    this.#flushed.push(side);
    this.#unpark(side);
    if (!side.isEnding) return;
    side.isEnding = false;
    side.onEndSent();
  }

  #write(frames: Buffer): void {
    this.#isWriting = true;
    this.#bytesWritten += frames.length;
    this.#transport.write(frames, this.#onWritten);
  }

  readonly #onWritten = (error?: Error | null): void => {
    this.#isWriting = false;
    // The transport reports its error by itself; nothing more can be sent on it.
    if (error || this.#isClosed) return;
    const flushed = this.#flushed;
    if (flushed.length > 0) this.#flushed = [];
    for (const side of flushed) if (side.sendQueue.length === 0) side.onFlushed();
    this.#flush();
    if (this.isIdle) this.#onIdle();
  };
}

/** Frame headers of one quantum in frames of the smallest size. */
const QUANTUM_HEADERS = Math.ceil(QUANTUM / DEFAULT_MAX_FRAME) * FRAME_HEADER_BYTES;
