// SPDX-License-Identifier: Apache-2.0
import { FRAME_HEADER_BYTES } from "../h2/constants.ts";
import { BlockPool } from "./block-pool.ts";

/** Most octets in one TLS record. */
export const RECORD_BYTES: number = 16_384;

/** Octets of one large write: sixteen full TLS records, so that no frame spills a few octets into one more. */
export const BULK_BYTES: number = 16 * RECORD_BYTES;

/** Room in front of what is read, for the header of its DATA frame and a few small frames that go ahead of it. */
export const HEADROOM: number = 256;

/** Most that is read at once: with its frame header it makes {@link BULK_BYTES}. */
export const MAX_READ: number = BULK_BYTES - FRAME_HEADER_BYTES;

/**
 * The large buffers that connections of one event loop share. Pass the same object to pool, server and joins to have them
 * once per event loop. {@link read}, {@link record} and {@link gather} are only used within one synchronous step.
 */
export class IoBuffers {
  /** Laid out as {@link read}, for what was read while its connection was busy; up to 4 MiB are kept. */
  readonly blocks: BlockPool = new BlockPool(HEADROOM + MAX_READ, 16);
  /** For what waits to be written to an app; up to 4 MiB are kept. */
  readonly pieces: BlockPool = new BlockPool(BULK_BYTES / 4, 64);
  #read: Buffer | undefined;
  #record: Buffer | undefined;
  #gather: Buffer | undefined;

  /** Plain sockets read into it, from {@link HEADROOM} on. */
  get read(): Buffer {
    return (this.#read ??= Buffer.allocUnsafeSlow(HEADROOM + MAX_READ));
  }

  /** TLS sockets read into it, one record at a time. */
  get record(): Buffer {
    return (this.#record ??= Buffer.allocUnsafeSlow(RECORD_BYTES));
  }

  /** Pieces of many streams are put together in it for one TLS write: {@link BULK_BYTES} and room for many headers. */
  get gather(): Buffer {
    return (this.#gather ??= Buffer.allocUnsafeSlow(2 * BULK_BYTES));
  }
}
