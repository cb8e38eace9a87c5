// SPDX-License-Identifier: Apache-2.0
import type { MeshError } from "@ambientmesh/core";
import { ByteQueue } from "../buffers/byte-queue.ts";
import type { HeaderField } from "../h2/hpack/static-table.ts";
import type { ResponseHead } from "../h2/message.ts";
import type { ReceiveSide } from "./inflow.ts";
import type { SendSide } from "./send-queue.ts";

/** Who reads a stream and writes to it. */
export interface StreamConsumer {
  /** Bytes arrived; the chunk is only valid during the call. {@link H2Stream.consumed} is called as they leave. */
  onBytes(chunk: Buffer, start: number, end: number): void;
  /** The peer has sent END_STREAM. */
  onEnd(): void;
  /** What was sent before has left; more may follow. */
  onFlushed(): void;
  /** The stream ended before both sides were done. Nothing else is called after this. */
  onReset(reason: StreamReset): void;
  /** Both sides have ended in order. Nothing else but {@link onFlushed} is called after this. */
  onClosed(): void;
}

/** Why a stream ended early. */
export interface StreamReset {
  /** "peer": its RST_STREAM or the end of the connection; "local": our own reset, or a fault found on this side. */
  readonly by: "peer" | "local";
  /** HTTP/2 error code; CANCEL when the connection ended. */
  readonly code: number;
  readonly error: MeshError;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  send(stream: H2Stream, chunk: Buffer): boolean;
  sendShared(stream: H2Stream, buffer: Buffer, size: number): boolean;
  end(stream: H2Stream): void;
  reset(stream: H2Stream, code: number, error: MeshError): void;
  respond(stream: H2Stream, fields: readonly HeaderField[], isEndStream: boolean): void;
  consumed(stream: H2Stream, count: number): void;
  /** Both sides have ended. */
  finished(stream: H2Stream): void;
}

/** One stream of a connection: its windows, what waits to be sent, and whoever uses it. */
export class H2Stream implements SendSide, ReceiveSide {
  readonly id: number;
  readonly #host: StreamHost;
  readonly sendQueue: ByteQueue = new ByteQueue();
  sendWindow: number;
  parked: Buffer | undefined;
  isEnding = false;
  isReady = false;
  receiveWindow: number;
  windowSize: number;
  unreturned = 0;
  held = 0;
  returnedAtMs: number;
  isRemoteEnded = false;
  isLocalEnded = false;
  isClosed = false;
  /** The final response was sent or received: bytes may pass. */
  isAnswered = false;
  /** Client: called once with the final response. */
  onResponse: ((head: ResponseHead, isEndStream: boolean) => void) | undefined;
  /** Called instead of a consumer's onReset while there is none. */
  onWithdrawn: ((reason: StreamReset) => void) | undefined;
  #consumer: StreamConsumer | undefined;
  /** What came before there was a consumer. */
  #early: ByteQueue | undefined;

  constructor(id: number, host: StreamHost, receive: Omit<ReceiveSide, "id">, sendWindow: number) {
    this.id = id;
    this.#host = host;
    this.sendWindow = sendWindow;
    this.receiveWindow = receive.receiveWindow;
    this.windowSize = receive.windowSize;
    this.returnedAtMs = receive.returnedAtMs;
  }

  /** Hands the stream to a (new) consumer, with everything that came in the meantime. */
  attach(consumer: StreamConsumer | undefined): void {
    this.#consumer = consumer;
    if (consumer === undefined) return;
    const early = this.#early;
    this.#early = undefined;
    for (let chunk = early?.shift(); chunk !== undefined; chunk = early?.shift())
      consumer.onBytes(chunk, 0, chunk.length);
    if (this.isRemoteEnded && !this.isClosed) consumer.onEnd();
  }

  /** Sends a chunk. True: more may follow at once. False: it must stay as it is until {@link StreamConsumer.onFlushed}. */
  send(chunk: Buffer): boolean {
    return !this.isClosed && this.#host.send(this, chunk);
  }

  /** Sends `size` octets from a buffer laid out as `IoBuffers.read`, which may be overwritten afterwards; otherwise as {@link send}. */
  sendShared(buffer: Buffer, size: number): boolean {
    return !this.isClosed && this.#host.sendShared(this, buffer, size);
  }

  /** Sends END_STREAM after what was sent before. */
  end(): void {
    if (!this.isClosed && !this.isLocalEnded && !this.isEnding) this.#host.end(this);
  }

  reset(code: number, error: MeshError): void {
    if (!this.isClosed) this.#host.reset(this, code, error);
  }

  respond(fields: readonly HeaderField[], isEndStream: boolean): void {
    this.#host.respond(this, fields, isEndStream);
  }

  /** Bytes handed to {@link StreamConsumer.onBytes} have left for the app. */
  consumed(count: number): void {
    this.#host.consumed(this, count);
  }

  /** Called by the connection. */
  receive(chunk: Buffer, start: number, end: number): void {
    if (this.#consumer) this.#consumer.onBytes(chunk, start, end);
    else (this.#early ??= new ByteQueue()).append(chunk, start, end);
  }

  /** Called by the connection. */
  receiveEnd(): void {
    this.#consumer?.onEnd();
    this.#closeIfDone();
  }

  /** Called by the connection. */
  receiveReset(reason: StreamReset): void {
    this.isClosed = true;
    this.#early = undefined;
    const consumer = this.#consumer;
    this.#consumer = undefined;
    if (consumer) consumer.onReset(reason);
    else this.onWithdrawn?.(reason);
  }

  onFlushed(): void {
    this.#consumer?.onFlushed();
  }

  onEndSent(): void {
    this.isLocalEnded = true;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (!this.isLocalEnded || !this.isRemoteEnded || this.isClosed) return;
    this.isClosed = true;
    this.#host.finished(this);
    this.#consumer?.onClosed();
  }
}
