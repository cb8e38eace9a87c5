// SPDX-License-Identifier: Apache-2.0
import { Flag, FrameType, H2Code } from "./constants.ts";
import { ConnectionFault } from "./connection-fault.ts";

// A block in pieces smaller than this average is an attack (the "CONTINUATION flood"), not a large header.
const MAX_CONTINUATIONS = 16;

/** Joins HEADERS and its CONTINUATION frames, which nothing may come between (RFC 9113 section 4.3). */
export class BlockAssembler {
  readonly #maxBlock: number;
  #openStream = 0;
  #parts: Buffer[] = [];
  #size = 0;
  #isEndStream = false;

  constructor(maxBlock: number) {
    this.#maxBlock = maxBlock;
  }

  /** END_STREAM of the HEADERS frame that the last block began with. */
  get isEndStream(): boolean {
    return this.#isEndStream;
  }

  checkOrder(type: number, streamId: number): void {
    if ((type === FrameType.continuation) !== (this.#openStream !== 0)) {
      throw protocolFault("CONTINUATION is missing, or came without HEADERS");
    }
    if (this.#openStream !== 0 && streamId !== this.#openStream) {
      throw protocolFault("CONTINUATION came on another stream than its HEADERS");
    }
  }

  /** Called with the length of a frame before its payload is stored. */
  checkRoom(length: number): void {
    if (this.#size + length > this.#maxBlock || this.#parts.length > MAX_CONTINUATIONS) {
      throw new ConnectionFault(
        H2Code.enhanceYourCalm,
        `a header block is over ${this.#maxBlock} octets or in more than ${MAX_CONTINUATIONS} pieces`,
      );
    }
  }

  /** Takes a frame's payload; gives the block when it is complete. */
  add(type: number, flags: number, streamId: number, payload: Buffer): Buffer | undefined {
    const isFirst = type === FrameType.headers;
    const part = isFirst ? withoutPadding(payload, flags) : payload;
    if (isFirst) this.#isEndStream = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) {
      const block = isFirst ? part : Buffer.concat([...this.#parts, part]);
      this.#openStream = 0;
      this.#parts = [];
      this.#size = 0;
      return block;
    }
    this.#openStream = streamId;
    this.#size += part.length;
    // The payload may be a view of a shared buffer that is overwritten before the next frame comes.
    this.#parts.push(Buffer.from(part));
    return undefined;
  }
}

function withoutPadding(payload: Buffer, flags: number): Buffer {
  let start = 0;
  let padding = 0;
  if ((flags & Flag.padded) !== 0) {
    start = 1;
    padding = payload[0] ?? 0;
  }
  if ((flags & Flag.priority) !== 0) start += 5;
  const end = payload.length - padding;
  if (start > end) throw protocolFault("HEADERS is too short for its padding and priority");
  return payload.subarray(start, end);
}

function protocolFault(message: string): ConnectionFault {
  return new ConnectionFault(H2Code.protocolError, message);
}
