// SPDX-License-Identifier: Apache-2.0
import { FRAME_HEADER_BYTES } from "../../src/h2/constants.ts";
import type { FrameHandler } from "../../src/h2/frame-reader.ts";
import { writeFrameHeader } from "../../src/h2/frame-writer.ts";

export interface RawFrame {
  readonly type: number;
  readonly flags?: number;
  readonly streamId?: number;
  readonly payload?: Buffer;
}

/** Any frame, right or wrong. */
export function frame({ type, flags = 0, streamId = 0, payload = Buffer.alloc(0) }: RawFrame): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  writeFrameHeader(header, 0, { length: payload.length, type, flags, streamId });
  return Buffer.concat([header, payload]);
}

/** A handler that writes down what it is told, one line for each frame. */
export function recorder(): { readonly handler: FrameHandler; readonly events: string[] } {
  const events: string[] = [];
  let data = { id: 0, length: 0, text: "" };
  const handler: FrameHandler = {
    onDataStart: (id, length) => (data = { id, length, text: "" }),
    onData: (chunk, start, end) => (data.text += chunk.toString("latin1", start, end)),
    onDataEnd: (overhead, isEnd) => {
      const padding = overhead > 0 ? `, ${overhead} padding` : "";
      events.push(`data ${data.id} ${data.text} (${data.length}${padding})${isEnd ? " end" : ""}`);
    },
    onHeaders: (id, block, isEnd) => events.push(`headers ${id} ${block.toString("latin1")}${isEnd ? " end" : ""}`),
    onRstStream: (id, code) => events.push(`reset ${id} ${code}`),
    onSettings: (payload) => events.push(`settings ${payload.toString("hex")}`),
    onSettingsAck: () => events.push("settings ack"),
    onPing: (payload, isAck) => events.push(`${isAck ? "pong" : "ping"} ${payload.toString("latin1")}`),
    onGoaway: (last, code) => events.push(`goaway ${last} ${code}`),
    onWindowUpdate: (id, increment) => events.push(`window ${id} ${increment}`),
    onIgnored: () => events.push("ignored"),
  };
  return { handler, events };
}
