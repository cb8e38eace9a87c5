// SPDX-License-Identifier: Apache-2.0
import { MAX_STREAM_ID } from "../h2/constants.ts";
import type { H2Stream } from "./stream.ts";

/** Streams reset by this side whose frames may still be under way. */
const REMEMBERED_RESETS = 256;

/** The open streams of a connection, and what is known of those that are not. */
export class StreamTable {
  readonly #open = new Map<number, H2Stream>();
  readonly #reset = new Set<number>();
  readonly #isServer: boolean;
  #lastPeerId = 0;
  #nextLocalId = 1;
  #opened = 0;
  /** The stream of the last lookup: frames of one stream tend to come together. */
  #last: H2Stream | undefined;

  constructor(isServer: boolean) {
    this.#isServer = isServer;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Streams ever opened. */
  get opened(): number {
    return this.#opened;
  }

  /** The highest id the peer has used. */
  get lastPeerId(): number {
    return this.#lastPeerId;
  }

  get hasIdsLeft(): boolean {
    return this.#nextLocalId <= MAX_STREAM_ID;
  }

  [Symbol.iterator](): IterableIterator<H2Stream> {
    return this.#open.values();
  }

  get(id: number): H2Stream | undefined {
    if (this.#last?.id === id) return this.#last;
    const stream = this.#open.get(id);
    if (stream) this.#last = stream;
    return stream;
  }

  takeLocalId(): number {
    const id = this.#nextLocalId;
    this.#nextLocalId += 2;
    return id;
  }

  /** The peer began a stream, which may be refused. */
  notePeerId(id: number): void {
    this.#lastPeerId = id;
  }

  add(stream: H2Stream): void {
    this.#opened++;
    this.#open.set(stream.id, stream);
  }

  /** False if it was not there. */
  remove(stream: H2Stream): boolean {
    if (this.#last === stream) this.#last = undefined;
    return this.#open.delete(stream.id);
  }

  /** Frames of the stream that still arrive are no fault of the peer. */
  rememberReset(id: number): void {
    if (this.#reset.size >= REMEMBERED_RESETS) {
      for (const oldest of this.#reset) {
        this.#reset.delete(oldest);
        break;
      }
    }
    this.#reset.add(id);
  }

  wasReset(id: number): boolean {
    return this.#reset.has(id);
  }

  /** No stream of this id was ever begun. Only clients begin streams: push is disabled, so even ids are never used. */
  isIdle(id: number): boolean {
    if (id % 2 === 0) return true;
    return this.#isServer ? id > this.#lastPeerId : id >= this.#nextLocalId;
  }
}
