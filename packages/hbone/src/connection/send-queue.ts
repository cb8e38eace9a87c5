// SPDX-License-Identifier: Apache-2.0
import type { ByteQueue } from "../buffers/byte-queue.ts";

/** The sending half of a stream, as the {@link Outbox} sees it. */
export interface SendSide {
  readonly id: number;
  /** What the peer still lets this stream send; negative after it lowered its initial window. */
  sendWindow: number;
  /** Bytes that could not be put on their way yet. */
  readonly sendQueue: ByteQueue;
  /** The block that holds all of {@link sendQueue}, if it is one of `IoBuffers`. */
  parked: Buffer | undefined;
  /** END_STREAM goes out with, or right after, the last byte. */
  isEnding: boolean;
  /** In the outbox's list of streams that have something to send. */
  isReady: boolean;
  /** The queue is empty and its last byte was given to the transport, which is ready for more. */
  onFlushed(): void;
  /** END_STREAM was written. */
  onEndSent(): void;
}
