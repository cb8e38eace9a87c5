// SPDX-License-Identifier: Apache-2.0
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { deepStrictEqual, ok } from "node:assert/strict";
import { FakeClock, type FuzzTarget, type FuzzTargets, type Random, sizeOf } from "@ambientmesh/testkit";
import { IoBuffers } from "../src/buffers/io-buffers.ts";
import { Connection } from "../src/connection/connection.ts";
import { connectionLimits } from "../src/connection/options.ts";
import { ConnectionFault } from "../src/h2/connection-fault.ts";
import type { H2Stream, StreamConsumer } from "../src/connection/stream.ts";
import { PREFACE } from "../src/h2/constants.ts";
import { FrameReader } from "../src/h2/frame-reader.ts";
import { encodeSettings } from "../src/h2/frame-writer.ts";
import { HpackDecoder } from "../src/h2/hpack/decoder.ts";
import { HpackEncoder } from "../src/h2/hpack/encoder.ts";
import type { HeaderField } from "../src/h2/hpack/static-table.ts";
import { parseRequest, parseResponse } from "../src/h2/message.ts";
import { formatBaggage, parseBaggage } from "../src/headers/baggage.ts";
import { formatForwarded, parseForwarded } from "../src/headers/forwarded.ts";
import { formatTraceParent, parseTraceParent } from "../src/headers/traceparent.ts";

type Target = FuzzTarget["run"];

const buffers = new IoBuffers();

/** A ConnectionFault is the proper answer to anything; everything else is a bug. */
function faultsOnly(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (!(error instanceof ConnectionFault)) throw error;
    return error.message.replaceAll(/\d+/g, "n");
  }
}

function inPieces(input: Buffer, random: Random, take: (piece: Buffer) => void): void {
  for (let at = 0; at < input.length;) {
    const end = random(3) === 0 ? input.length : Math.min(input.length, at + 1 + random(40));
    take(Buffer.from(input.subarray(at, end)));
    at = end;
  }
}

/** Octets that reach the handler of a reader, which must be the same however the input is cut. */
function framesOf(feed: (reader: FrameReader) => void): string {
  let seen = "";
  const reader = new FrameReader(
    {
      onDataStart: (id, length) => (seen += `d${id},${length}:`),
      onData: (chunk, start, end) => (seen += chunk.toString("hex", start, end)),
      onDataEnd: (overhead, isEnd) => (seen += `/${overhead}${isEnd}`),
      onHeaders: (id, block, isEnd) => (seen += `h${id}${block.toString("hex")}${isEnd}`),
      onRstStream: (id, code) => (seen += `r${id},${code}`),
      onSettings: (payload) => (seen += `s${payload.length}`),
      onSettingsAck: () => (seen += "a"),
      onPing: (payload, isAck) => (seen += `p${payload.toString("hex")}${isAck}`),
      onGoaway: (last, code) => (seen += `g${last},${code}`),
      onWindowUpdate: (id, increment) => (seen += `w${id},${increment}`),
      onIgnored: () => (seen += "i"),
    },
    { maxBlock: 4096 },
  );
  return faultsOnly(() => feed(reader)) ? seen : `${seen}!`;
}

const frames: Target = (input, random) => {
  const whole = framesOf((reader) => reader.push(Buffer.from(input)));
  const cut = framesOf((reader) => inPieces(input, random, (piece) => reader.push(piece)));
  ok(cut === whole, "pieces are read differently from the whole");
  // What kinds of frames came, in which order: the letters that stand for them.
  return whole.replaceAll(/[^dhrsapgwi!]+/g, "").slice(0, 4);
};

const LIST_LIMIT = 4096;

/** Several blocks on one decoder, as on a connection: each may refer to what those before have left in its table. */
const hpackDecode: Target = (input, random) => {
  const decoder = new HpackDecoder({ maxTableSize: 4096, maxListSize: LIST_LIMIT });
  let outcome = "";
  const fault = faultsOnly(() => {
    for (let at = 0; at < input.length;) {
      const end = random(3) === 0 ? Math.min(input.length, at + 1 + random(80)) : input.length;
      const { fields, listSize, isTooLarge } = decoder.decode(input.subarray(at, end));
      const kept = fields.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
      ok(isTooLarge ? fields.length === 0 : kept === listSize && kept <= LIST_LIMIT, "more is kept than allowed");
      const verdicts = [parseRequest(fields), parseResponse(fields)].map((head) => "malformed" in head);
      outcome += `${verdicts.join()} ${isTooLarge} `;
      at = end;
    }
  });
  return fault ?? outcome;
};

const hpackRoundTrip: Target = (input, random) => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder({ maxTableSize: 4096, maxListSize: 2 ** 30 });
  // Fields with a NUL never get as far as the encoder.
  const text = input.toString("latin1").replaceAll("\0", "0");
  for (let turn = 0; turn < 2; turn++) {
    const fields: HeaderField[] = [];
    for (let at = 0; at < text.length && fields.length < 40;) {
      const middle = at + random(12);
      const end = middle + random(60);
      fields.push([text.slice(at, middle), text.slice(middle, end)]);
      at = end + 1;
    }
    if (random(50) === 0) encoder.setMaxTableSize(random(6000));
    const decoded = decoder.decode(encoder.encode(fields)).fields;
    const isSame = ([name, value]: HeaderField, at: number): boolean =>
      decoded[at]?.[0] === name && decoded[at][1] === value;
    ok(decoded.length === fields.length && fields.every(isSame), "fields are decoded as others than were encoded");
  }
  return undefined;
};

/** Takes whatever is written to it and lets it be answered at once. */
class NullTransport extends EventEmitter {
  readonly writableLength = 0;
  readonly writableCorked = 0;
  destroyed = false;

  write(_octets: Buffer, callback?: () => void): boolean {
    if (callback) process.nextTick(callback);
    return true;
  }

  end(): void {}

  destroy(): void {
    this.destroyed = true;
  }
}

/** Does with a stream what apps do, by chance. */
function someConsumer(stream: H2Stream, random: Random): StreamConsumer {
  const isStalled = random(3) === 0;
  return {
    onBytes: (_chunk, start, end) => {
      if (!isStalled) stream.consumed(end - start);
      if (random(4) === 0) stream.send(Buffer.alloc(random(5000)));
      if (random(40) === 0) stream.reset(8, new Error("enough") as never);
    },
    onEnd: () => (random(2) === 0 ? stream.end() : undefined),
    onFlushed: () => {},
    onReset: () => {},
    onClosed: () => {},
  };
}

function connectionWith(
  role: "client" | "server",
  random: Random,
): { connection: Connection; transport: NullTransport } {
  const transport = new NullTransport();
  const connection: Connection = new Connection(transport as unknown as Duplex, {
    role,
    isOutermost: true,
    peerName: "fuzz",
    clock: new FakeClock(0),
    buffers,
    limits: connectionLimits(role, { maxStreams: 20, initialWindow: 65_535, maxHeaderList: 2048 }),
    events: {
      onRequest: (stream) => {
        if (random(4) === 0) return;
        const isRefusal = random(4) === 0;
        stream.respond([[":status", isRefusal ? "503" : "200"]], isRefusal);
        stream.isAnswered = true;
        if (!isRefusal) stream.attach(someConsumer(stream, random));
      },
    },
  });
  connection.start();
  return { connection, transport };
}

/** Whatever came: limits hold, and an ended connection has let go of its streams. */
function checkConnection(connection: Connection): void {
  const { held, heldBound, streams } = connection.stats();
  ok(held >= 0 && held <= heldBound, `${held} octets are held`);
  ok(streams <= 20, `${streams} streams are open`);
  // Octets may still be held: those of streams that ended in order and were not read yet.
  if (connection.isClosed) deepStrictEqual(streams, 0);
}

/** How far a connection has come. */
function outcomeOf(connection: Connection): string {
  const { streams, held } = connection.stats();
  return `${connection.isClosed} ${streams} ${Math.ceil(Math.log2(held + 1))}`;
}

const greeting = encodeSettings([]);

const server: Target = (input, random) => {
  const { connection, transport } = connectionWith("server", random);
  transport.emit("data", Buffer.concat([PREFACE, greeting]));
  inPieces(input, random, (piece) => {
    transport.emit("data", piece);
    checkConnection(connection);
  });
  const outcome = outcomeOf(connection);
  connection.abort(new Error("over") as never);
  checkConnection(connection);
  return outcome;
};

const client: Target = (input, random) => {
  const { connection, transport } = connectionWith("client", random);
  for (let index = 0; index < 5; index++) {
    const stream: H2Stream = connection.request([[":method", "CONNECT"]], (head) => {
      ok(head.status >= 200, `an answer of ${head.status} is no answer`);
      if (head.status < 300) stream.attach(someConsumer(stream, random));
      else stream.end();
    });
  }
  transport.emit("data", greeting);
  inPieces(input, random, (piece) => {
    transport.emit("data", piece);
    checkConnection(connection);
  });
  const outcome = outcomeOf(connection);
  connection.abort(new Error("over") as never);
  checkConnection(connection);
  return outcome;
};

const headers: Target = (input) => {
  const text = input.toString("latin1");
  const baggage = parseBaggage(text);
  deepStrictEqual(
    { ...parseBaggage(formatBaggage(parseBaggage(formatBaggage(baggage)))) },
    { ...parseBaggage(formatBaggage(baggage)) },
  );
  const forwarded = parseForwarded(text);
  deepStrictEqual(parseForwarded(formatForwarded(forwarded)), forwarded);
  const trace = parseTraceParent(text);
  if (trace) deepStrictEqual(parseTraceParent(formatTraceParent(trace)), trace);
  sizeOf([baggage, forwarded, trace], 1000 + 2 * text.length);
  return [Object.keys(baggage).length, ...Object.keys(forwarded), trace === undefined].join();
};

const FRAME_TOKENS = ["00000401", "000000040000000000", "0000080600", "000008070000000000", "00000403"].map((hex) =>
  Buffer.from(hex, "hex"),
);
const HEADER_TOKENS = [
  "k8s.cluster.name=",
  "k8s.namespace.name=",
  "k8s.deployment.name=",
  "service.name=",
  "cloud.region=",
  'for="[::1]:80"',
  "host=",
  "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
];

export const targets: FuzzTargets = {
  frames: { run: frames, tokens: FRAME_TOKENS },
  "hpack-decode": { run: hpackDecode },
  "hpack-round-trip": { run: hpackRoundTrip },
  server: { run: server, tokens: FRAME_TOKENS },
  client: { run: client, tokens: FRAME_TOKENS },
  headers: { run: headers, tokens: HEADER_TOKENS },
};
