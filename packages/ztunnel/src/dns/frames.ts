// SPDX-License-Identifier: Apache-2.0
import { MAX_MESSAGE_BYTES } from "./wire.ts";

const LENGTH_BYTES = 2;

/** Splits a TCP stream into DNS messages (RFC 1035 section 4.2.2). Holds at most one message that is not complete. */
export class FrameSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that are complete with these bytes. */
  *push(chunk: Buffer): Iterable<Buffer> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + bytes.readUInt16BE(0);
      if (bytes.length < end) break;
      const message = bytes.subarray(LENGTH_BYTES, end);
      bytes = bytes.subarray(end);
      yield message;
    }
    // A copy, so that what came with it is not kept.
    this.#rest = Buffer.from(bytes);
  }
}

/** A message as it goes over TCP. */
export function frame(message: Uint8Array): Buffer {
  if (message.length > MAX_MESSAGE_BYTES) throw new RangeError(`a DNS message has ${message.length} bytes`);
  const framed = Buffer.allocUnsafe(LENGTH_BYTES + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, LENGTH_BYTES);
  return framed;
}
