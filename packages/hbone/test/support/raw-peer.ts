// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import type { MeshError } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { IoBuffers } from "../../src/buffers/io-buffers.ts";
import { Connection } from "../../src/connection/connection.ts";
import { connectionLimits, type ConnectionOptions } from "../../src/connection/options.ts";
import type { H2Stream, StreamConsumer, StreamReset } from "../../src/connection/stream.ts";
import { PREFACE } from "../../src/h2/constants.ts";
import { FrameReader } from "../../src/h2/frame-reader.ts";
import { encodeHeaders, encodeSettings, encodeSettingsAck } from "../../src/h2/frame-writer.ts";
import { HpackEncoder } from "../../src/h2/hpack/encoder.ts";
import type { HeaderField } from "../../src/h2/hpack/static-table.ts";
import type { RequestHead } from "../../src/h2/message.ts";
import { recorder } from "./frames.ts";
import { memoryPair } from "./memory-pair.ts";
import { settled } from "./turns.ts";

/** A connection under test with a hand-driven peer at the other end of a stream in memory. */
export interface RawPeer {
  readonly connection: Connection;
  readonly clock: FakeClock;
  readonly transport: Duplex;
  readonly wire: Duplex;
  /** What the connection sent, one line for each frame. */
  readonly received: string[];
  readonly requests: { readonly stream: H2Stream; readonly head: RequestHead | undefined }[];
  readonly closed: (MeshError | undefined)[];
  /** Sends octets, if any, and lets the connection react; gives the lines that came since the last call. */
  send(...octets: Buffer[]): Promise<string[]>;
  headers(streamId: number, fields: HeaderField[], isEndStream?: boolean): Buffer;
}

export const CONNECT: HeaderField[] = [
  [":method", "CONNECT"],
  [":authority", "10.0.0.1:80"],
];

/** `greet`: the peer sends its preface, settings and acknowledgement first. */
export async function rawPeer(
  role: "client" | "server",
  options: ConnectionOptions & { readonly greet?: boolean } = {},
): Promise<RawPeer> {
  const { greet = true, ...limits } = options;
  const [transport, wire] = memoryPair();
  const clock = new FakeClock();
  const requests: RawPeer["requests"] = [];
  const closed: RawPeer["closed"] = [];
  const connection = new Connection(transport, {
    role,
    isOutermost: true,
    peerName: "the peer",
    clock,
    buffers: new IoBuffers(),
    limits: connectionLimits(role, limits),
    events: {
      onRequest: (stream, head) => requests.push({ stream, head }),
      onClosed: (error) => closed.push(error),
    },
  });
  const { handler, events: received } = recorder();
  const reader = new FrameReader(handler, { maxFrame: 2 ** 24 - 1, expectsPreface: role === "client" });
  wire.on("data", (chunk: Buffer) => reader.push(chunk));
  wire.on("error", () => wire.destroy());
  connection.start();
  let reported = 0;
  const encoder = new HpackEncoder();
  const peer: RawPeer = {
    connection,
    clock,
    transport,
    wire,
    received,
    requests,
    closed,
    send: async (...octets) => {
      if (octets.length > 0) wire.write(Buffer.concat(octets));
      await settled();
      const news = received.slice(reported);
      reported = received.length;
      return news;
    },
    headers: (streamId, fields, isEndStream = false) =>
      encodeHeaders(streamId, encoder.encode(fields), 16_384, isEndStream),
  };
  if (greet) await peer.send(...(role === "server" ? [PREFACE] : []), encodeSettings([]), encodeSettingsAck());
  return peer;
}

/** A consumer that writes down what it is told and consumes when asked to. */
export class Sink implements StreamConsumer {
  readonly chunks: Buffer[] = [];
  readonly events: string[] = [];
  reset: StreamReset | undefined;

  get text(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  onBytes(chunk: Buffer, start: number, end: number): void {
    this.chunks.push(Buffer.from(chunk.subarray(start, end)));
  }

  onEnd(): void {
    this.events.push("end");
  }

  onFlushed(): void {
    this.events.push("flushed");
  }

  onReset(reset: StreamReset): void {
    this.reset = reset;
    this.events.push(`reset ${reset.by} ${reset.code}`);
  }

  onClosed(): void {
    this.events.push("closed");
  }
}
