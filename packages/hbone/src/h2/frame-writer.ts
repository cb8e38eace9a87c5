// SPDX-License-Identifier: Apache-2.0
import { Flag, FRAME_HEADER_BYTES, FrameType, MAX_STREAM_ID } from "./constants.ts";

/** Octets of PING and of GOAWAY, header included. */
const EIGHT_OCTET_FRAME = FRAME_HEADER_BYTES + 8;

/** A frame header: payload length, type, flags, stream. */
export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
}

/** Writes the nine octets of RFC 9113 section 4.1 and returns the offset after them. */
export function writeFrameHeader(target: Buffer, offset: number, header: FrameHeader): number {
  const { length, type, flags, streamId } = header;
  target[offset] = length >>> 16;
  target[offset + 1] = length >>> 8;
  target[offset + 2] = length;
  target[offset + 3] = type;
  target[offset + 4] = flags;
  return writeUint32(target, offset + 5, streamId);
}

/** The header of a DATA frame; apart from {@link writeFrameHeader} because it runs for every piece of every stream. */
export function writeDataHeader(target: Buffer, offset: number, length: number, streamId: number): void {
  target[offset] = length >>> 16;
  target[offset + 1] = length >>> 8;
  target[offset + 2] = length;
  target[offset + 3] = FrameType.data;
  target[offset + 4] = 0;
  writeUint32(target, offset + 5, streamId);
}

/** Settings in the order given (RFC 9113 section 6.5). */
export function encodeSettings(settings: readonly (readonly [id: number, value: number])[]): Buffer {
  const length = settings.length * 6;
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
  let at = writeFrameHeader(frame, 0, { length, type: FrameType.settings, flags: 0, streamId: 0 });
  for (const [id, value] of settings) {
    at = frame.writeUInt16BE(id, at);
    at = frame.writeUInt32BE(value, at);
  }
  return frame;
}

export function encodeSettingsAck(): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
  writeFrameHeader(frame, 0, { length: 0, type: FrameType.settings, flags: Flag.ack, streamId: 0 });
  return frame;
}

/** A PING with eight octets of `payload`. */
export function encodePing(payload: Uint8Array, isAck: boolean): Buffer {
  const frame = Buffer.allocUnsafe(EIGHT_OCTET_FRAME);
  const flags = isAck ? Flag.ack : 0;
  frame.set(payload, writeFrameHeader(frame, 0, { length: 8, type: FrameType.ping, flags, streamId: 0 }));
  return frame;
}

/** A GOAWAY without debug data: nothing of our inside is told to a peer that misbehaved. */
export function encodeGoaway(lastStreamId: number, code: number): Buffer {
  const frame = Buffer.allocUnsafe(EIGHT_OCTET_FRAME);
  const at = writeFrameHeader(frame, 0, { length: 8, type: FrameType.goaway, flags: 0, streamId: 0 });
  writeUint32(frame, writeUint32(frame, at, lastStreamId & MAX_STREAM_ID), code);
  return frame;
}

export function encodeRstStream(streamId: number, code: number): Buffer {
  return encodeWord(FrameType.rstStream, streamId, code);
}

export function encodeWindowUpdate(streamId: number, increment: number): Buffer {
  return encodeWord(FrameType.windowUpdate, streamId, increment);
}

/**
 * A header block as HEADERS and as many CONTINUATION frames as `maxFrame` asks for.
 * They must reach the wire without another frame between them.
 */
export function encodeHeaders(streamId: number, block: Buffer, maxFrame: number, isEndStream: boolean): Buffer {
  const frames = Math.max(1, Math.ceil(block.length / maxFrame));
  const target = Buffer.allocUnsafe(block.length + frames * FRAME_HEADER_BYTES);
  let at = 0;
  for (let index = 0; index < frames; index++) {
    const start = index * maxFrame;
    const end = Math.min(start + maxFrame, block.length);
    const type = index === 0 ? FrameType.headers : FrameType.continuation;
    const last = index === frames - 1 ? Flag.endHeaders : 0;
    const flags = last | (index === 0 && isEndStream ? Flag.endStream : 0);
    at = writeFrameHeader(target, at, { length: end - start, type, flags, streamId });
    at += block.copy(target, at, start, end);
  }
  return target;
}

function encodeWord(type: number, streamId: number, word: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + 4);
  writeUint32(frame, writeFrameHeader(frame, 0, { length: 4, type, flags: 0, streamId }), word);
  return frame;
}

function writeUint32(target: Buffer, offset: number, value: number): number {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
  return offset + 4;
}
