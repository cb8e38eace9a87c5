// SPDX-License-Identifier: Apache-2.0
import { Duplex } from "node:stream";
import type { Clock, MeshError, Timer } from "@ambientmesh/core";
import { ByteQueue } from "../buffers/byte-queue.ts";
import type { H2Stream, StreamConsumer, StreamReset } from "../connection/stream.ts";
import { hboneErrors } from "../errors.ts";
import { H2Code } from "../h2/constants.ts";
import type { TunnelInfo } from "./tunnel-info.ts";

/** What either side of the Duplex buffers beyond the windows. */
const HIGH_WATER_MARK = 64 * 1024;

type WriteCallback = (error?: Error | null) => void;

/**
 * One tunnel as a stream, enough like a `net.Socket` for `http.Agent` and undici. `end()` is a FIN towards the peer's app
 * (END_STREAM), 'end' is one from it, each without the other; destroying it early resets the stream. A reset by the peer
 * with NO_ERROR is an end of its data, any other one the error HBONE_STREAM_RESET.
 */
export class TunnelStream extends Duplex implements StreamConsumer {
  readonly #stream: H2Stream;
  readonly #clock: Clock;
  readonly #queue: ByteQueue = new ByteQueue();
  readonly info: TunnelInfo;
  #isWanted = false;
  #isEndSeen = false;
  #isTakenOver = false;
  #resetBy: StreamReset | undefined;
  #writeCallback: WriteCallback | undefined;
  #bytesRead = 0;
  #bytesWritten = 0;
  #timeoutMs = 0;
  #activeAtMs = 0;
  #timer: Timer | undefined;

  /** Made by {@link HbonePool}, {@link HboneConnection} and {@link HboneServer}. */
  constructor(stream: H2Stream, info: TunnelInfo, clock: Clock) {
    super({ allowHalfOpen: true, highWaterMark: HIGH_WATER_MARK });
    this.#stream = stream;
    this.#clock = clock;
    this.info = info;
    // Whoever waits for the tunnel gets it some turns after the peer's answer; what the peer breaks before that must not be
    // an uncaught exception. The error stays in `errored`, 'close' follows it, and other listeners hear of it as ever.
    this.on("error", ignoreError);
    stream.attach(this);
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  get connecting(): boolean {
    return false;
  }

  get pending(): boolean {
    return false;
  }

  /** True: bytes are encrypted on the wire. */
  get encrypted(): boolean {
    return true;
  }

  get remoteAddress(): string | undefined {
    return this.info.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.info.remotePort;
  }

  get localAddress(): string | undefined {
    return this.info.localAddress;
  }

  get localPort(): number | undefined {
    return this.info.localPort;
  }

  /** Emits 'timeout' when nothing was read or written for so long; 0 turns it off. The stream is not closed. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    if (callback) {
      if (timeoutMs === 0) this.off("timeout", callback);
      else this.once("timeout", callback);
    }
    this.#timer?.cancel();
    this.#timeoutMs = timeoutMs;
    this.#touch();
    if (timeoutMs > 0) this.#watchTimeout(timeoutMs);
    return this;
  }

  get timeout(): number {
    return this.#timeoutMs;
  }

  /** Does nothing: the tunnel's connection never delays small pieces. */
  setNoDelay(_isOn?: boolean): this {
    return this;
  }

  /** Does nothing: the tunnel's connection pings its peer. */
  setKeepAlive(_isOn?: boolean, _delayMs?: number): this {
    return this;
  }

  /** Does nothing: the tunnel's connection keeps the process alive. */
  ref(): this {
    return this;
  }

  /** Does nothing: see {@link ref}. */
  unref(): this {
    return this;
  }

  /** Ends the stream, and destroys it once all was written. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  override read(size?: number): Buffer | null {
    const data = super.read(size) as Buffer | null;
    this.#pump();
    return data;
  }

  override _read(): void {
    this.#isWanted = true;
    this.#pump();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: WriteCallback): void {
    this.#sent(this.#send(chunk), callback);
  }

  override _writev(chunks: { chunk: Buffer }[], callback: WriteCallback): void {
    let isTaken = true;
    for (const { chunk } of chunks) isTaken = this.#send(chunk) && isTaken;
    this.#sent(isTaken, callback);
  }

  override _final(callback: WriteCallback): void {
    this.#stream.end();
    callback();
  }

  override _destroy(error: Error | null, callback: WriteCallback): void {
    this.#timer?.cancel();
    if (!this.#isTakenOver) this.#letGo();
    const waiting = this.#writeCallback;
    this.#writeCallback = undefined;
    waiting?.(error ?? this.#abortedError());
    callback(error);
  }

  /** Called by the connection. */
  onBytes(chunk: Buffer, start: number, end: number): void {
    this.#touch();
    this.#bytesRead += end - start;
    if (this.#isWanted && this.readableLength === 0 && this.#queue.length === 0) {
      this.#deliver(Buffer.from(chunk.subarray(start, end)));
    } else this.#queue.append(chunk, start, end);
  }

  /** Called by the connection. */
  onEnd(): void {
    this.#isEndSeen = true;
    this.#pump();
  }

  /** Called by the connection. */
  onFlushed(): void {
    this.#touch();
    const callback = this.#writeCallback;
    this.#writeCallback = undefined;
    callback?.();
  }

  /** Called by the connection. */
  onReset(reason: StreamReset): void {
    this.#resetBy = reason;
    if (reason.by === "local" && this.destroyed) return;
    if (reason.code !== H2Code.noError) {
      this.destroy(reason.error);
      return;
    }
    this.#isEndSeen = true;
    this.#pump();
    const callback = this.#writeCallback;
    this.#writeCallback = undefined;
    callback?.(reason.error);
  }

  /** Called by the connection. */
  onClosed(): void {
    this.#timer?.cancel();
  }

  /**
   * Gives the stream underneath to another consumer, which destroys this object: it is of no use from then on.
   * What was received already is returned, to be consumed by the new owner.
   * @internal
   */
  takeOver(): { readonly stream: H2Stream; readonly received: readonly Buffer[] } {
    const isBusy = this.readableFlowing === true || this.writableLength > 0 || this.writableEnded || this.readableEnded;
    if (this.#isTakenOver || this.destroyed || isBusy) {
      throw hboneErrors.create(
        "HBONE_TUNNEL_IN_USE",
        `the tunnel to ${this.info.authority} is being read or was ended`,
      );
    }
    this.#stream.attach(undefined);
    const received: Buffer[] = [];
    for (let chunk = super.read() as Buffer | null; chunk !== null; chunk = super.read() as Buffer | null) {
      // The window for these was given back when they were delivered here.
      received.push(chunk);
    }
    this.#isTakenOver = true;
    return { stream: this.#stream, received };
  }

  #send(chunk: Buffer): boolean {
    this.#touch();
    if (this.#resetBy || this.#isTakenOver) return true;
    this.#bytesWritten += chunk.length;
    return this.#stream.send(chunk);
  }

  #sent(isTaken: boolean, callback: WriteCallback): void {
    if (this.#resetBy) callback(this.#resetBy.error);
    else if (this.#isTakenOver) callback(this.#abortedError());
    else if (isTaken) callback();
    else this.#writeCallback = callback;
  }

  /** Moves what waits into the Readable, one piece at a time, so that only {@link ByteQueue} ever holds much. */
  #pump(): void {
    while (this.#isWanted && this.readableLength === 0) {
      const chunk = this.#queue.shift();
      if (chunk === undefined) break;
      this.#deliver(chunk);
    }
    if (!this.#isEndSeen || this.#queue.length > 0 || this.readableEnded) return;
    this.#isEndSeen = false;
    this.push(null);
  }

  #deliver(chunk: Buffer): void {
    this.#isWanted = this.push(chunk);
    if (!this.#isTakenOver) this.#stream.consumed(chunk.length);
  }

  /** What was received but not read counts as read, so that the connection forgets it. */
  #letGo(): void {
    this.#stream.reset(H2Code.cancel, this.#abortedError());
    this.#stream.consumed(this.#queue.length);
    this.#queue.clear();
  }

  #touch(): void {
    if (this.#timeoutMs > 0) this.#activeAtMs = this.#clock.monotonicMs();
  }

  #watchTimeout(delayMs: number): void {
    this.#timer = this.#clock.setTimer(
      delayMs,
      () => {
        const restMs = this.#activeAtMs + this.#timeoutMs - this.#clock.monotonicMs();
        if (restMs <= 0) this.emit("timeout");
        if (this.#timeoutMs > 0) this.#watchTimeout(restMs > 0 ? restMs : this.#timeoutMs);
      },
      { background: true },
    );
  }

  #abortedError(): MeshError {
    const message = `the tunnel to ${this.info.authority} was closed on this side`;
    return hboneErrors.create("HBONE_CONNECTION_CLOSED", message, { details: { authority: this.info.authority } });
  }
}

function ignoreError(): void {
  // See the constructor.
}
