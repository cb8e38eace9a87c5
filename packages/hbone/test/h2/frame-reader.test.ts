// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { PREFACE } from "../../src/h2/constants.ts";
import { FrameReader, type FrameReaderOptions } from "../../src/h2/frame-reader.ts";
import {
  encodeGoaway,
  encodeHeaders,
  encodePing,
  encodeRstStream,
  encodeSettings,
  encodeWindowUpdate,
} from "../../src/h2/frame-writer.ts";
import { frame, recorder } from "../support/frames.ts";

/** What a reader reports for these octets, given at once or in pieces. */
function read(octets: Buffer, options: FrameReaderOptions = {}, cuts: readonly number[] = []): unknown[] {
  const { handler, events } = recorder();
  const reader = new FrameReader(handler, options);
  let from = 0;
  for (const cut of [...cuts.map((cut) => cut % (octets.length + 1)).toSorted((a, b) => a - b), octets.length]) {
    // A copy that is wiped: the reader must not keep views of what it was given.
    const piece = Buffer.from(octets.subarray(from, cut));
    reader.push(piece);
    piece.fill(0xee);
    from = cut;
  }
  return events;
}

const everything = Buffer.concat([
  encodeSettings([[4, 1_000_000]]),
  frame({ type: 4, flags: 1 }),
  encodeHeaders(1, Buffer.from("block"), 16_384, true),
  encodeHeaders(3, Buffer.from("a longer block"), 4, false),
  frame({ type: 1, flags: 0x2d, streamId: 5, payload: Buffer.from([2, 0, 0, 0, 0, 9, 120, 121, 0, 0]) }),
  frame({ type: 0, streamId: 1, payload: Buffer.from("content") }),
  frame({ type: 0, flags: 9, streamId: 1, payload: Buffer.from([3, 97, 98, 0, 0, 0]) }),
  frame({ type: 0, flags: 1, streamId: 3 }),
  encodePing(Buffer.from("12345678"), false),
  encodePing(Buffer.from("87654321"), true),
  encodeWindowUpdate(0, 5),
  encodeWindowUpdate(3, 2 ** 31 - 1),
  encodeRstStream(3, 8),
  frame({ type: 2, streamId: 7, payload: Buffer.alloc(5) }),
  frame({ type: 99, streamId: 0x7fffffff, flags: 0xff, payload: Buffer.alloc(1000) }),
  frame({ type: 7, payload: Buffer.concat([encodeGoaway(9, 2).subarray(9), Buffer.from("debug data")]) }),
]);

describe("frames", () => {
  it("are read with padding, priority, CONTINUATION and unknown types taken care of", () => {
    expect(read(everything)).toMatchInlineSnapshot(`
      [
        "settings 0004000f4240",
        "settings ack",
        "headers 1 block end",
        "headers 3 a longer block",
        "headers 5 xy end",
        "data 1 content (7)",
        "data 1 ab (6, 4 padding) end",
        "data 3  (0) end",
        "ping 12345678",
        "pong 87654321",
        "window 0 5",
        "window 3 2147483647",
        "reset 3 8",
        "ignored",
        "ignored",
        "goaway 9 2",
      ]
    `);
  });

  it("are the same in whatever pieces they arrive", () => {
    const whole = read(everything);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 60 }), (cuts) => {
        expect(read(everything, {}, cuts)).toEqual(whole);
      }),
    );
    expect(read(everything, {}, [...everything.keys()])).toEqual(whole);
  });

  it("come after the client's preface", () => {
    const octets = Buffer.concat([PREFACE, encodeSettings([])]);
    expect(read(octets, { expectsPreface: true })).toEqual(["settings "]);
    expect(read(octets, { expectsPreface: true }, [...octets.keys()])).toEqual(["settings "]);
  });

  it("are not read after stop(), not even the rest of the same chunk", () => {
    const { handler, events } = recorder();
    const reader = new FrameReader({ ...handler, onSettings: () => reader.stop() });
    reader.push(everything);
    reader.push(everything);
    expect(events).toEqual([]);
  });

  test.each<[name: string, octets: Buffer, code: number, options?: FrameReaderOptions]>([
    ["a frame over the limit", frame({ type: 0, streamId: 1, payload: Buffer.alloc(16_385) }), 6],
    ["an unknown frame over the limit", frame({ type: 99, payload: Buffer.alloc(16_385) }), 6],
    ["DATA on stream 0", frame({ type: 0 }), 1],
    ["padded DATA without room for the padding's length", frame({ type: 0, flags: 8, streamId: 1 }), 6],
    ["DATA with more padding than payload", frame({ type: 0, flags: 8, streamId: 1, payload: Buffer.from([2, 0]) }), 1],
    ["HEADERS on stream 0", frame({ type: 1, flags: 4 }), 1],
    [
      "HEADERS with more padding than payload",
      frame({ type: 1, flags: 12, streamId: 1, payload: Buffer.from([2, 0]) }),
      1,
    ],
    ["padded HEADERS without anything", frame({ type: 1, flags: 12, streamId: 1 }), 1],
    ["HEADERS too short for its priority", frame({ type: 1, flags: 0x24, streamId: 1, payload: Buffer.alloc(4) }), 1],
    ["PRIORITY on stream 0", frame({ type: 2, payload: Buffer.alloc(5) }), 1],
    ["PRIORITY of 4 octets", frame({ type: 2, streamId: 1, payload: Buffer.alloc(4) }), 6],
    ["RST_STREAM on stream 0", frame({ type: 3, payload: Buffer.alloc(4) }), 1],
    ["RST_STREAM of 3 octets", frame({ type: 3, streamId: 1, payload: Buffer.alloc(3) }), 6],
    ["SETTINGS on a stream", frame({ type: 4, streamId: 1 }), 1],
    ["SETTINGS of 5 octets", frame({ type: 4, payload: Buffer.alloc(5) }), 6],
    ["SETTINGS of 33 entries", frame({ type: 4, payload: Buffer.alloc(33 * 6) }), 11],
    ["an acknowledgement of SETTINGS with a payload", frame({ type: 4, flags: 1, payload: Buffer.alloc(6) }), 6],
    ["PUSH_PROMISE", frame({ type: 5, streamId: 1, payload: Buffer.alloc(8) }), 1],
    ["PING on a stream", frame({ type: 6, streamId: 1, payload: Buffer.alloc(8) }), 1],
    ["PING of 7 octets", frame({ type: 6, payload: Buffer.alloc(7) }), 6],
    ["GOAWAY on a stream", frame({ type: 7, streamId: 1, payload: Buffer.alloc(8) }), 1],
    ["GOAWAY of 7 octets", frame({ type: 7, payload: Buffer.alloc(7) }), 6],
    ["WINDOW_UPDATE of 5 octets", frame({ type: 8, payload: Buffer.alloc(5) }), 6],
    ["CONTINUATION without HEADERS", frame({ type: 9, flags: 4, streamId: 1 }), 1],
    [
      "CONTINUATION of another stream",
      Buffer.concat([frame({ type: 1, streamId: 1 }), frame({ type: 9, flags: 4, streamId: 3 })]),
      1,
    ],
    [
      "a frame inside a header block",
      Buffer.concat([frame({ type: 1, streamId: 1 }), encodePing(Buffer.alloc(8), false)]),
      1,
    ],
    [
      "an unknown frame inside a header block",
      Buffer.concat([frame({ type: 1, streamId: 1 }), frame({ type: 99 })]),
      1,
    ],
    [
      "a header block over the limit",
      frame({ type: 1, flags: 4, streamId: 1, payload: Buffer.alloc(101) }),
      11,
      { maxBlock: 100 },
    ],
    [
      "a header block over the limit in pieces",
      Buffer.concat([
        frame({ type: 1, streamId: 1, payload: Buffer.alloc(60) }),
        frame({ type: 9, flags: 4, streamId: 1, payload: Buffer.alloc(41) }),
      ]),
      11,
      { maxBlock: 100 },
    ],
    [
      "empty CONTINUATION frames without end",
      Buffer.concat([
        frame({ type: 1, streamId: 1 }),
        ...Array.from({ length: 17 }, () => frame({ type: 9, streamId: 1 })),
      ]),
      11,
    ],
    ["HTTP/1 in place of the preface", Buffer.from("GET / HTTP/1.1\r\nhost: x\r\n\r\n"), 1, { expectsPreface: true }],
  ])("are refused: %s", (_name, octets, code, options) => {
    const expected = expect.objectContaining({ name: "ConnectionFault", code }) as Error;
    expect(() => read(octets, options)).toThrow(expected);
    expect(() => read(octets, options, [...octets.keys()])).toThrow(expected);
  });

  it("are refused before their payload is stored", () => {
    const header = frame({ type: 1, streamId: 1, payload: Buffer.alloc(101) }).subarray(0, 9);
    expect(() => read(header, { maxBlock: 100 })).toThrow(/over 100 octets/);
  });

  it("never make the reader throw anything but a ConnectionFault, and each octet of DATA is reported once", () => {
    const anyFrame = fc
      .record({
        type: fc.integer({ min: 0, max: 11 }),
        flags: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })),
        streamId: fc.integer({ min: 0, max: 9 }),
        payload: fc.uint8Array({ maxLength: 40 }).map((octets) => Buffer.from(octets)),
      })
      .map(frame);
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 20 }), (frames, cuts) => {
        const octets = Buffer.concat(frames);
        const attempt = (pieces: readonly number[]): unknown => {
          try {
            return read(octets, {}, pieces);
          } catch (error) {
            return `${(error as Error).name}: ${(error as Error).message}`;
          }
        };
        expect(String(attempt([]))).not.toMatch(/^\w*Error: /);
        expect(attempt(cuts)).toEqual(attempt([]));
      }),
      { numRuns: 1000 },
    );
  });
});
