// SPDX-License-Identifier: Apache-2.0
import { toMeshError, type MeshError } from "@ambientmesh/core";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { BlockPool } from "../buffers/block-pool.ts";
import { ByteQueue } from "../buffers/byte-queue.ts";
import { BULK_BYTES, HEADROOM, MAX_READ, RECORD_BYTES, type IoBuffers } from "../buffers/io-buffers.ts";
import type { H2Stream, StreamConsumer, StreamReset } from "../connection/stream.ts";
import { hboneErrors } from "../errors.ts";
import { FRAME_HEADER_BYTES, H2Code } from "../h2/constants.ts";
import type { TunnelStream } from "../tunnel/tunnel-stream.ts";
import { adoptSocket } from "./adopt-socket.ts";
import type { JoinEnd, JoinResult } from "./join-result.ts";

/** What is known while bytes flow. */
export interface JoinOptions {
  /** Called for each piece that passes, with its size in octets. */
  readonly onBytes?: (direction: "toPeer" | "fromPeer", count: number) => void;
}

/** Pieces up to this size are written as they come. */
const SMALL = 4 * 1024;
/** A socket reads this much at first and up to {@link MAX_READ} when it fills it: with its header, full TLS records. */
const READ_SIZES = [RECORD_BYTES - FRAME_HEADER_BYTES, 4 * RECORD_BYTES - FRAME_HEADER_BYTES, MAX_READ] as const;

/** The app's socket and a tunnel, joined until both have closed. */
export class TunnelJoin implements StreamConsumer {
  /** Resolves when everything is over; never rejects. */
  readonly ended: Promise<JoinResult>;
  /** Without a connection, if {@link #socket} has adopted it; its server counts it until it is destroyed. */
  readonly #original: Socket;
  readonly #socket: Socket;
  readonly #stream: H2Stream;
  readonly #read: Buffer;
  readonly #onBytes: JoinOptions["onBytes"];
  readonly #pieces: BlockPool;
  readonly #queue: ByteQueue;
  /** What the write under way holds on to. */
  readonly #inFlight: Buffer[] = [];
  readonly #result = Promise.withResolvers<JoinResult>();
  #level = 0;
  #view: Buffer;
  #bytesToPeer = 0;
  #bytesFromPeer = 0;
  /** Octets of the write to the app's socket that is under way. */
  #writing = 0;
  #scheduled: NodeJS.Immediate | undefined;
  #isPeerDone = false;
  #isStreamOver = false;
  #isSocketOver = false;
  #firstEnd: "app" | "peer" | undefined;
  #failure: { readonly end: JoinEnd; readonly closedBy: JoinResult["closedBy"]; readonly error: MeshError } | undefined;

  /** Use {@link joinTunnel}. */
  constructor(socket: Socket, tunnel: TunnelStream, buffers: IoBuffers, options: JoinOptions) {
    this.ended = this.#result.promise;
    this.#onBytes = options.onBytes;
    this.#read = buffers.read;
    this.#pieces = buffers.pieces;
    this.#queue = new ByteQueue(buffers.pieces);
    this.#view = this.#viewOf(0);
    const { stream, received } = tunnel.takeOver();
    // Nobody needs the Duplex any more, and idle tunnels are many.
    tunnel.destroy();
    this.#stream = stream;
    this.#original = socket;
    const early = readAll(socket);
    this.#socket = this.#takeSocket(socket);
    // Copied, as what goes out of this queue goes back to the pool.
    for (const chunk of received) this.#queue.append(chunk, 0, chunk.length);
    for (const chunk of early) this.#toPeer(chunk);
    stream.attach(this);
    this.#flush();
  }

  /** Octets from the app so far. */
  get bytesToPeer(): number {
    return this.#bytesToPeer;
  }

  /** Octets from the peer that went to the app so far. */
  get bytesFromPeer(): number {
    return this.#bytesFromPeer;
  }

  /** Octets that wait for the app to read; bounded by the stream's window. */
  get queuedBytes(): number {
    return this.#queue.length + this.#writing;
  }

  /** Breaks both connections now, with a reset on either side. */
  abort(error: MeshError = abortError()): void {
    this.#fail("aborted", "us", error);
  }

  /** Called by the connection. */
  onBytes(chunk: Buffer, start: number, end: number): void {
    if (this.#failure) return;
    const isLast = isMessageEnd(chunk, start, end);
    if (isLast && end - start < SMALL && this.#writing === 0 && this.#queue.length === 0) {
      this.#writing = end - start;
      this.#socket.write(Buffer.from(chunk.subarray(start, end)), this.#onWritten);
      return;
    }
    this.#queue.append(chunk, start, end);
    if (isLast || this.#queue.length >= BULK_BYTES) this.#flush();
    else this.#scheduled ??= setImmediate(this.#flush);
  }

  /** Called by the connection. */
  onEnd(): void {
    this.#firstEnd ??= "peer";
    this.#isPeerDone = true;
    this.#flush();
  }

  /** Called by the connection. */
  onFlushed(): void {
    if (!this.#failure) this.#socket.resume();
  }

  /** Called by the connection. */
  onClosed(): void {
    this.#isStreamOver = true;
    this.#settle();
  }

  /** Called by the connection. */
  onReset({ code, by, error }: StreamReset): void {
    this.#isStreamOver = true;
    if (by === "peer" && code === H2Code.noError) {
      // Its data is complete and it wants no more of ours (RFC 9113 section 8.1).
      this.#firstEnd ??= "peer";
      this.#isPeerDone = true;
      this.#flush();
      return;
    }
    const isReset = hboneErrors.is(error, "HBONE_STREAM_RESET") || hboneErrors.is(error, "HBONE_PROTOCOL_ERROR");
    this.#fail(isReset ? "peer-reset" : "tunnel-failed", "peer", error);
  }

  #viewOf(level: number): Buffer {
    return this.#read.subarray(HEADROOM, HEADROOM + (READ_SIZES[level] ?? MAX_READ));
  }

  #takeSocket(original: Socket): Socket {
    // Before adoption, as Node knows of the original whether that was done already.
    original.setNoDelay(true);
    const adopted = adoptSocket(original, { buffer: () => this.#view, onRead: this.#onRead });
    const socket = adopted ?? original;
    socket.allowHalfOpen = true;
    socket.on("end", () => this.#onAppEnd());
    socket.on("error", (error) => this.#onAppError(error));
    socket.on("close", () => this.#onAppClose());
    if (adopted === undefined) socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    // Even where there is a 'data' listener: an accepted socket may have been paused.
    return socket.resume();
  }

  /** The bulk path: octets lie in the shared buffer, with room in front for the frame's header. */
  readonly #onRead = (count: number): boolean => {
    // A peer that has closed the stream takes nothing more.
    if (this.#isStreamOver) return false;
    this.#bytesToPeer += count;
    this.#onBytes?.("toPeer", count);
    const isFull = count === this.#view.length;
    if (isFull && this.#level < READ_SIZES.length - 1) this.#view = this.#viewOf(++this.#level);
    if (this.#stream.sendShared(this.#read, count)) return true;
    // Stopping and starting to read costs system calls. After a read that emptied the socket it is not needed: before the
    // next one what was just sent in place will have left. What had to be parked is another matter.
    return !isFull && this.#stream.sendQueue.length === 0;
  };

  #onData(chunk: Buffer): void {
    if (this.#isStreamOver || !this.#toPeer(chunk)) this.#socket.pause();
  }

  #toPeer(chunk: Buffer): boolean {
    this.#bytesToPeer += chunk.length;
    this.#onBytes?.("toPeer", chunk.length);
    return this.#stream.send(chunk);
  }

  readonly #flush = (): void => {
    if (this.#scheduled) clearImmediate(this.#scheduled);
    this.#scheduled = undefined;
    if (this.#writing > 0 || this.#failure) return;
    if (this.#queue.length > 0) this.#writeQueue();
    else if (this.#isPeerDone && this.#isStreamOver) this.#socket.destroySoon();
    else if (this.#isPeerDone) this.#socket.end();
  };

  /** All pieces in one gathered write. */
  #writeQueue(): void {
    const socket = this.#socket;
    this.#writing = this.#queue.length;
    socket.cork();
    for (let piece = this.#queue.shift(); piece !== undefined; piece = this.#queue.shift()) {
      this.#inFlight.push(piece);
      if (this.#queue.length === 0) socket.write(piece, this.#onWritten);
      else socket.write(piece);
    }
    socket.uncork();
  }

  readonly #onWritten = (error?: Error | null): void => {
    const count = this.#writing;
    this.#writing = 0;
    // The socket reports its error by itself.
    if (error) return;
    for (let piece = this.#inFlight.pop(); piece !== undefined; piece = this.#inFlight.pop()) this.#pieces.give(piece);
    this.#bytesFromPeer += count;
    this.#onBytes?.("fromPeer", count);
    this.#stream.consumed(count);
    this.#flush();
  };

  #onAppEnd(): void {
    this.#firstEnd ??= "app";
    this.#stream.end();
  }

  #onAppError(cause: Error): void {
    const message = `the connection with the app broke: ${cause.message}`;
    this.#fail("app-reset", "app", hboneErrors.create("HBONE_APP_RESET", message, { cause }));
  }

  #onAppClose(): void {
    this.#isSocketOver = true;
    // RFC 9113 section 8.5: a broken TCP connection is a stream error CONNECT_ERROR. No-ops if all is over already.
    if (!this.#isStreamOver) {
      this.#fail("app-reset", "app", hboneErrors.create("HBONE_APP_RESET", "the app's socket was closed on this side"));
    }
    this.#settle();
  }

  #fail(end: JoinEnd, closedBy: JoinResult["closedBy"], error: MeshError): void {
    if (this.#failure || (this.#isStreamOver && this.#isSocketOver)) return;
    this.#failure = { end, closedBy, error };
    if (this.#scheduled) clearImmediate(this.#scheduled);
    this.#stream.reset(end === "aborted" ? H2Code.cancel : H2Code.connectError, error);
    this.#stream.consumed(this.queuedBytes);
    this.#queue.clear();
    this.#isStreamOver = true;
    // RFC 9113 section 8.5: the app must see that it was no proper end.
    breakOff(this.#socket);
    this.#settle();
  }

  #settle(): void {
    if (!this.#isStreamOver || !this.#isSocketOver) return;
    this.#original.destroy();
    const { bytesToPeer, bytesFromPeer } = this;
    const { end, closedBy, error } = this.#failure ?? {
      end: "both-closed" as const,
      closedBy: this.#firstEnd ?? "peer",
      error: undefined,
    };
    this.#result.resolve({ end, closedBy, bytesToPeer, bytesFromPeer, error });
  }
}

/**
 * Moves bytes between an app's connected socket and a tunnel until both have closed, with back-pressure and half-close both
 * ways. Both belong to the join from now on, and nothing may read or write them any more.
 *
 * @throws MeshError HBONE_TUNNEL_IN_USE when either is in use, ended or closed already
 */
export function joinTunnel(
  socket: Socket,
  tunnel: TunnelStream,
  buffers: IoBuffers,
  options: JoinOptions = {},
): TunnelJoin {
  if (socket.destroyed || socket.connecting || socket.readableFlowing === true || socket.writableEnded) {
    throw hboneErrors.create(
      "HBONE_TUNNEL_IN_USE",
      "the app's socket is not connected, ended, or being read by another",
    );
  }
  return new TunnelJoin(socket, tunnel, buffers, options);
}

function readAll(socket: Socket): Buffer[] {
  const chunks: Buffer[] = [];
  for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null)
    chunks.push(chunk);
  return chunks;
}

/** After a record that is not full, or a small piece between others, no more of the stream is to be expected at once. */
function isMessageEnd(chunk: Buffer, start: number, end: number): boolean {
  return chunk.length < RECORD_BYTES || (end < chunk.length && end - start < SMALL);
}

/** A TCP reset; other sockets know none. */
function breakOff(socket: Socket): void {
  if (socket instanceof TLSSocket || socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

function abortError(): MeshError {
  return toMeshError(hboneErrors.create("HBONE_CONNECTION_CLOSED", "the tunnel was cut off on this side"));
}
