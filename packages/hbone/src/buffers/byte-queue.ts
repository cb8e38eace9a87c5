// SPDX-License-Identifier: Apache-2.0

import type { BlockPool } from "./block-pool.ts";

const MIN_BLOCK = 1024;
const MAX_BLOCK = 64 * 1024;
/** Additions of this size, or to this much, get a block of the pool: it will be used soon or is needed anyway. */
const MIN_POOLED = 8 * 1024;

/** Bytes in order, first in, first out, in as few pieces as they came in or fewer. */
export class ByteQueue {
  #blocks: Buffer[] = [];
  #head = 0;
  /** Free octets behind the last block, in the same memory; only for blocks this queue allocated. */
  #spare = 0;
  #tail: Buffer | undefined;
  #length = 0;
  readonly #pool: BlockPool | undefined;

  /** Whoever takes pieces out gives those of the pool back to it. */
  constructor(pool?: BlockPool) {
    this.#pool = pool;
  }

  /** Octets inside. */
  get length(): number {
    return this.#length;
  }

  /** Keeps the buffer itself; it must not change until it has left. */
  push(buffer: Buffer): void {
    if (buffer.length === 0) return;
    this.#blocks.push(buffer);
    this.#length += buffer.length;
    this.#spare = 0;
    this.#tail = undefined;
  }

  /** Copies chunk[start, end) into memory of the queue, which stays within about twice {@link length} for crumbs. */
  append(chunk: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      if (this.#spare === 0) this.#grow(end - at);
      const tail = this.#tail as Buffer;
      const used = tail.length - this.#spare;
      const size = Math.min(this.#spare, end - at);
      chunk.copy(tail, used, at, at + size);
      this.#blocks[this.#blocks.length - 1] = tail.subarray(this.#startOfLast(), used + size);
      this.#spare -= size;
      this.#length += size;
      at += size;
    }
  }

  /** The first piece, left where it is. */
  peek(): Buffer | undefined {
    return this.#blocks[this.#head];
  }

  /** Takes the first piece out. */
  shift(): Buffer | undefined {
    const block = this.#blocks[this.#head];
    if (block === undefined) return undefined;
    this.#blocks[this.#head++] = EMPTY;
    this.#length -= block.length;
    if (this.#head === this.#blocks.length) this.clear();
    else if (this.#head > 32 && this.#head * 2 > this.#blocks.length) {
      this.#blocks.splice(0, this.#head);
      this.#head = 0;
    }
    return block;
  }

  /** Moves up to `limit` octets into the target; returns how many. */
  copyTo(target: Buffer, offset: number, limit: number): number {
    let copied = 0;
    while (copied < limit && this.#length > 0) {
      const block = this.#blocks[this.#head] as Buffer;
      const size = Math.min(block.length, limit - copied);
      block.copy(target, offset + copied, 0, size);
      copied += size;
      if (size === block.length) this.shift();
      else {
        this.#blocks[this.#head] = block.subarray(size);
        this.#length -= size;
      }
    }
    return copied;
  }

  clear(): void {
    this.#blocks = [];
    this.#head = 0;
    this.#spare = 0;
    this.#tail = undefined;
    this.#length = 0;
  }

  #grow(size: number): void {
    this.#tail =
      this.#pool !== undefined && Math.max(size, this.#length) >= MIN_POOLED
        ? this.#pool.take()
        : // Doubling with the content: few pieces for many octets, little memory for few.
          Buffer.allocUnsafeSlow(Math.min(Math.max(MIN_BLOCK, size, this.#length), Math.max(MAX_BLOCK, size)));
    this.#spare = this.#tail.length;
    this.#blocks.push(this.#tail.subarray(0, 0));
  }

  /** Where the last block begins in its memory: not at 0 once its front has been copied out. */
  #startOfLast(): number {
    const last = this.#blocks[this.#blocks.length - 1] as Buffer;
    return last.byteOffset - (this.#tail as Buffer).byteOffset;
  }
}

const EMPTY = Buffer.alloc(0);
