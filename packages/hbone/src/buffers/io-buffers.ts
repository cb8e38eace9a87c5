// SPDX-License-Identifier: Apache-2.0
import { FRAME_HEADER_BYTES } from "../h2/constants.ts";

/** Octets of one large write: sixteen full TLS records, so that no frame spills a few octets into one more. */
export const BULK_BYTES: number = 16 * 16_384;

/** Room in front of what is read, for the header of its DATA frame and a few small frames that go ahead of it. */
export const HEADROOM: number = 256;

/** Most that is read at once: with its frame header it makes {@link BULK_BYTES}. */
export const MAX_READ: number = BULK_BYTES - FRAME_HEADER_BYTES;

/** Blocks kept for the next time: 4 MiB. */
const MAX_FREE_BLOCKS = 16;

/**
 * The large buffers that connections of one event loop share. `read` and `gather` are only used within one synchronous step, so one of
 * each serves any number of sockets. Pass the same object to pool, server and joiner to have them once per process.
 */
export class IoBuffers {
  readonly #free: Buffer[] = [];
  #read: Buffer | undefined;
  #gather: Buffer | undefined;

  /** Plain sockets read into it, from {@link HEADROOM} on. */
  get read(): Buffer {
    return (this.#read ??= Buffer.allocUnsafeSlow(HEADROOM + MAX_READ));
  }

  /** Pieces of many streams are put together in it for one TLS write: {@link BULK_BYTES} and room for many headers. */
  get gather(): Buffer {
    return (this.#gather ??= Buffer.allocUnsafeSlow(2 * BULK_BYTES));
  }

  /**
   * Memory laid out as {@link read}, for what was read while its connection was busy. Taking a used block avoids the page
   * faults of a new one, which would cost more than the copy.
   */
  takeBlock(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(HEADROOM + MAX_READ);
  }

  /** Nothing refers to the block any more. */
  giveBlock(block: Buffer): void {
    if (this.#free.length < MAX_FREE_BLOCKS) this.#free.push(block);
  }
}
