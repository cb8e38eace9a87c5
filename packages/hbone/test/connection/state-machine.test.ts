// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { H2Code, PREFACE } from "../../src/h2/constants.ts";
import {
  encodeGoaway,
  encodePing,
  encodeRstStream,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
} from "../../src/h2/frame-writer.ts";
import type { HeaderField } from "../../src/h2/hpack/static-table.ts";
import { frame } from "../support/frames.ts";
import { CONNECT, rawPeer, Sink, type RawPeer } from "../support/raw-peer.ts";

const data = (streamId: number, text = "", flags = 0): Buffer =>
  frame({ type: 0, flags, streamId, payload: Buffer.from(text) });
const END = 1;

/** A server with one CONNECT that was accepted, on stream 1. */
async function withTunnel(): Promise<RawPeer & { readonly sink: Sink }> {
  const peer = await rawPeer("server");
  await peer.send(peer.headers(1, CONNECT));
  const stream = peer.requests[0]?.stream;
  const sink = new Sink();
  stream?.respond([[":status", "200"]], false);
  if (stream) stream.isAnswered = true;
  stream?.attach(sink);
  await peer.send();
  return { ...peer, sink };
}

describe("a server's beginning", () => {
  it("is its settings and the connection's window", async () => {
    const { received } = await rawPeer("server");
    expect(received).toEqual([
      "settings 0003000000c8000400040000000500100000000600010000",
      `window 0 ${200 * 262_144 + 17 * 1_048_576 - 65_535}`,
      "settings ack",
    ]);
  });

  test.each<[name: string, octets: Buffer]>([
    ["a frame other than SETTINGS first", Buffer.concat([PREFACE, encodePing(Buffer.alloc(8), false)])],
    ["an unknown frame first", Buffer.concat([PREFACE, frame({ type: 77 })])],
    ["an acknowledgement of SETTINGS first", Buffer.concat([PREFACE, encodeSettingsAck()])],
    ["HTTP/1", Buffer.from("GET / HTTP/1.1\r\n\r\nmore than twenty-four octets")],
  ])("fails on %s", async (_name, octets) => {
    const peer = await rawPeer("server", { greet: false });
    expect(await peer.send(octets)).toContain(`goaway 0 ${H2Code.protocolError}`);
    expect(peer.closed).toEqual([expect.objectContaining({ code: "HBONE_PROTOCOL_ERROR" })]);
    expect(peer.wire.destroyed || peer.wire.readableEnded).toBe(true);
  });

  test.each<[name: string, octets: Buffer[], what: RegExp]>([
    ["sends nothing", [], /sent no settings/],
    ["does not acknowledge", [PREFACE, encodeSettings([])], /did not acknowledge/],
  ])("ends when the peer %s", async (_name, octets, what) => {
    const peer = await rawPeer("server", { greet: false, settingsTimeoutMs: 5000 });
    await peer.send(...octets);
    peer.clock.advance(4999);
    expect(peer.closed).toEqual([]);
    peer.clock.advance(1);
    expect(await peer.send()).toContain(`goaway 0 ${H2Code.settingsTimeout}`);
    expect(peer.closed).toMatchObject([{ code: "HBONE_TIMEOUT", details: { phase: "settings" }, message: what }]);
  });
});

describe("what ends the connection", () => {
  test.each<[name: string, make: (peer: RawPeer) => Buffer[], code: number]>([
    ["DATA on an idle stream", () => [data(3, "x")], H2Code.protocolError],
    ["WINDOW_UPDATE on an idle stream", () => [encodeWindowUpdate(3, 1)], H2Code.protocolError],
    ["RST_STREAM on an idle stream", () => [encodeRstStream(3, 8)], H2Code.protocolError],
    ["HEADERS on an even stream", (peer) => [peer.headers(2, CONNECT)], H2Code.protocolError],
    ["HEADERS on a closed stream", (peer) => [encodeRstStream(1, 8), peer.headers(1, CONNECT)], H2Code.streamClosed],
    ["a smaller id than before", (peer) => [peer.headers(5, CONNECT), peer.headers(3, CONNECT)], H2Code.streamClosed],
    ["a connection's WINDOW_UPDATE by 0", () => [encodeWindowUpdate(0, 0)], H2Code.protocolError],
    ["a connection's window over 2^31-1", () => [encodeWindowUpdate(0, 2 ** 31 - 1)], H2Code.flowControlError],
    ["an initial window over 2^31-1", () => [encodeSettings([[4, 2 ** 31]])], H2Code.flowControlError],
    [
      "an initial window that lifts a stream's over 2^31-1",
      () => [encodeWindowUpdate(1, 100), encodeSettings([[4, 2 ** 31 - 1]])],
      H2Code.flowControlError,
    ],
    ["a maximum frame under 16384", () => [encodeSettings([[5, 16_383]])], H2Code.protocolError],
    ["a maximum frame over 2^24-1", () => [encodeSettings([[5, 2 ** 24]])], H2Code.protocolError],
    ["ENABLE_PUSH 2", () => [encodeSettings([[2, 2]])], H2Code.protocolError],
    ["ENABLE_CONNECT_PROTOCOL 2", () => [encodeSettings([[8, 2]])], H2Code.protocolError],
    [
      "a header block that can't be decoded",
      () => [frame({ type: 1, flags: 4, streamId: 3, payload: Buffer.from([0x80]) })],
      H2Code.compressionError,
    ],
    [
      "a frame over our limit",
      () => [Buffer.from("1000010000000000010000", "hex").subarray(0, 9)],
      H2Code.frameSizeError,
    ],
  ])("is %s", async (_name, make, code) => {
    const peer = await withTunnel();
    expect((await peer.send(...make(peer))).at(-1)).toMatch(new RegExp(`^goaway \\d ${code}$`));
    expect(peer.closed).toMatchObject([{ code: "HBONE_PROTOCOL_ERROR" }]);
    expect(peer.sink.reset).toMatchObject({ by: "peer" });
  });

  it("is ENABLE_PUSH from a server, for a client", async () => {
    const peer = await rawPeer("client");
    expect((await peer.send(encodeSettings([[2, 1]]))).at(-1)).toBe(`goaway 0 ${H2Code.protocolError}`);
  });

  it("is more than the connection's window, counting what nobody reads", async () => {
    const peer = await rawPeer("server", { maxStreams: 2, initialWindow: 65_535, maxWindow: 65_535, windowGrowth: 0 });
    await peer.send(...[1, 3, 5].map((id) => peer.headers(id, CONNECT)));
    const octets = (streamId: number, length: number): Buffer =>
      frame({ type: 0, streamId, payload: Buffer.alloc(length) });
    expect(await peer.send(octets(1, 65_535), octets(3, 65_535))).toEqual([]);
    // Stream 5 was refused. What comes on it is dropped, and given back in steps of 1 MiB.
    expect(await peer.send(octets(5, 2 ** 20 - 1))).toEqual([]);
    expect(await peer.send(octets(5, 2))).toEqual([`goaway 5 ${H2Code.flowControlError}`]);
    expect(peer.connection.stats()).toMatchObject({ peakHeld: 2 * 65_535 + 2 ** 20 - 1 });
  });

  it("is not more than a stream's window: that ends the stream", async () => {
    const peer = await withTunnel();
    const piece = frame({ type: 0, streamId: 1, payload: Buffer.alloc(262_144) });
    expect(await peer.send(piece)).toEqual([]);
    expect(await peer.send(data(1, "x"))).toEqual([`reset 1 ${H2Code.flowControlError}`]);
    expect(peer.connection.stats()).toMatchObject({ held: 0, streams: 0 });
    expect(peer.closed).toEqual([]);
  });
});

describe("what ends only its stream", () => {
  test.each<[name: string, make: (peer: RawPeer) => Buffer[], code: number]>([
    ["DATA after END_STREAM", () => [data(1, "", END), data(1, "late")], H2Code.streamClosed],
    ["HEADERS after END_STREAM", (peer) => [data(1, "", END), peer.headers(1, CONNECT)], H2Code.streamClosed],
    ["HEADERS inside a tunnel", (peer) => [peer.headers(1, [["trailer", "x"]], true)], H2Code.protocolError],
    ["WINDOW_UPDATE by 0", () => [encodeWindowUpdate(1, 0)], H2Code.protocolError],
    ["a stream's window over 2^31-1", () => [encodeWindowUpdate(1, 2 ** 31 - 1)], H2Code.flowControlError],
  ])("is %s", async (_name, make, code) => {
    const peer = await withTunnel();
    expect(await peer.send(...make(peer))).toEqual([`reset 1 ${code}`]);
    expect(peer.sink.reset).toMatchObject({ by: "local", code, error: { code: "HBONE_PROTOCOL_ERROR" } });
    expect(await peer.send(encodePing(Buffer.alloc(8), false))).toHaveLength(1);
    expect(peer.closed).toEqual([]);
    // Frames that were under way are no new fault.
    expect(await peer.send(data(1, "more"), encodeWindowUpdate(1, 5), encodeRstStream(1, 8))).toEqual([]);
  });

  test.each<[name: string, fields: HeaderField[]]>([
    ["no :authority", [[":method", "CONNECT"]]],
    [
      "an empty :authority",
      [
        [":method", "CONNECT"],
        [":authority", ""],
      ],
    ],
    [
      "blanks in :authority",
      [
        [":method", "CONNECT"],
        [":authority", "a b:1"],
      ],
    ],
    [":scheme in a CONNECT", [...CONNECT, [":scheme", "https"]]],
    [":path in a CONNECT", [...CONNECT, [":path", "/"]]],
    ["an extended CONNECT", [...CONNECT, [":protocol", "websocket"], [":scheme", "https"], [":path", "/"]]],
    ["a repeated pseudo header", [...CONNECT, [":method", "CONNECT"]]],
    ["an unknown pseudo header", [...CONNECT, [":odd", "x"]]],
    [":status in a request", [...CONNECT, [":status", "200"]]],
    [
      "a pseudo header after others",
      [
        [":method", "CONNECT"],
        ["a", "b"],
        [":authority", "x:1"],
      ],
    ],
    ["no :method", [[":authority", "x:1"]]],
    [
      "GET without :path",
      [
        [":method", "GET"],
        [":scheme", "https"],
        [":authority", "x"],
      ],
    ],
    ["an upper-case name", [...CONNECT, ["Name", "x"]]],
    ["an empty name", [...CONNECT, ["", "x"]]],
    ["a name with a blank", [...CONNECT, ["a b", "x"]]],
    ["a line break in a value", [...CONNECT, ["a", "x\ny"]]],
    ["a NUL in a value", [...CONNECT, ["a", "x\0y"]]],
    ["a blank at the end of a value", [...CONNECT, ["a", "x "]]],
    ["connection", [...CONNECT, ["connection", "close"]]],
    ["transfer-encoding", [...CONNECT, ["transfer-encoding", "chunked"]]],
    ["te other than trailers", [...CONNECT, ["te", "gzip"]]],
  ])("is a request with %s, which is put to nobody", async (_name, fields) => {
    const peer = await rawPeer("server");
    expect(await peer.send(peer.headers(1, fields))).toEqual([`reset 1 ${H2Code.protocolError}`]);
    expect(peer.requests).toEqual([]);
    await peer.send(data(1, "under way"), peer.headers(3, CONNECT));
    expect(peer.requests).toHaveLength(1);
    expect(peer.closed).toEqual([]);
  });

  it("is DATA on a stream that was closed in order", async () => {
    const peer = await withTunnel();
    peer.requests[0]?.stream.end();
    expect(await peer.send(data(1, "", END))).toEqual(["data 1  (0) end"]);
    expect(peer.sink.events).toEqual(["end", "closed"]);
    expect(await peer.send(data(1, "x"))).toEqual([`reset 1 ${H2Code.streamClosed}`]);
  });

  it("is a stream above the limit: it is refused unseen", async () => {
    const peer = await rawPeer("server", { maxStreams: 2 });
    const answers = await peer.send(peer.headers(1, CONNECT), peer.headers(3, CONNECT), peer.headers(5, CONNECT));
    expect(answers).toEqual([`reset 5 ${H2Code.refusedStream}`]);
    expect(peer.requests).toHaveLength(2);
    await peer.send(encodeRstStream(1, 8), peer.headers(7, CONNECT));
    expect(peer.requests).toHaveLength(3);
  });
});

describe("a client", () => {
  const ask = async (): Promise<RawPeer & { answers: unknown[]; sink: Sink }> => {
    const peer = await rawPeer("client");
    const answers: unknown[] = [];
    const sink = new Sink();
    const stream = peer.connection.request(CONNECT, (head) => answers.push(head));
    stream.attach(sink);
    await peer.send();
    return { ...peer, answers, sink };
  };

  test.each<[name: string, make: (peer: RawPeer) => Buffer[]]>([
    ["DATA before the answer", () => [data(1, "early")]],
    ["END_STREAM before the answer", () => [data(1, "", END)]],
    ["an answer without :status", (peer) => [peer.headers(1, [["a", "b"]])]],
    [":status 42", (peer) => [peer.headers(1, [[":status", "42"]])]],
    [":status 101", (peer) => [peer.headers(1, [[":status", "101"]])]],
    ["a request in place of an answer", (peer) => [peer.headers(1, CONNECT)]],
    ["1xx that ends the stream", (peer) => [peer.headers(1, [[":status", "103"]], true)]],
    ["trailers in the tunnel", (peer) => [peer.headers(1, [[":status", "200"]]), peer.headers(1, [["a", "b"]], true)]],
  ])("takes %s for a fault of the stream, and hands nothing on", async (_name, make) => {
    const peer = await ask();
    expect((await peer.send(...make(peer))).at(-1)).toBe(`reset 1 ${H2Code.protocolError}`);
    expect(peer.sink).toMatchObject({ text: "", reset: { by: "local", error: { code: "HBONE_PROTOCOL_ERROR" } } });
    expect(peer.closed).toEqual([]);
  });

  it("passes over 1xx and takes the final answer", async () => {
    const peer = await ask();
    await peer.send(
      peer.headers(1, [
        [":status", "103"],
        ["link", "x"],
      ]),
      peer.headers(1, [[":status", "200"]]),
      data(1, "hello", END),
    );
    expect(peer.answers).toEqual([{ status: 200, headers: {} }]);
    expect(peer.sink).toMatchObject({ text: "hello", events: ["end"] });
  });

  it("gives up on answers with too large a header list, and goes on with the connection", async () => {
    const peer = await ask();
    const large: HeaderField[] = [
      [":status", "200"],
      ["a", "x".repeat(16_400)],
    ];
    expect(await peer.send(peer.headers(1, large))).toEqual([`reset 1 ${H2Code.cancel}`]);
    expect(peer.closed).toEqual([]);
  });

  test.each<[name: string, make: (peer: RawPeer) => Buffer[]]>([
    ["HEADERS on a stream nobody began", (peer) => [peer.headers(3, [[":status", "200"]])]],
    ["HEADERS on an even stream", (peer) => [peer.headers(2, CONNECT)]],
    ["PUSH_PROMISE", () => [frame({ type: 5, flags: 4, streamId: 1, payload: Buffer.alloc(4) })]],
  ])("ends the connection on %s", async (_name, make) => {
    const peer = await ask();
    expect((await peer.send(...make(peer))).at(-1)).toBe(`goaway 0 ${H2Code.protocolError}`);
  });

  it("learns from GOAWAY which of its streams were never looked at", async () => {
    const peer = await ask();
    const late = new Sink();
    peer.connection.request(CONNECT, () => {}).attach(late);
    await peer.send(encodeGoaway(1, H2Code.noError));
    expect(late.reset).toMatchObject({
      code: H2Code.refusedStream,
      error: { code: "HBONE_STREAM_UNPROCESSED", retryable: true },
    });
    expect(peer.sink.reset).toBeUndefined();
    expect(peer.connection.canOpen).toBe(false);
    await peer.send(peer.headers(1, [[":status", "200"]], true));
    expect(peer.answers).toHaveLength(1);
    expect(peer.closed).toEqual([]);
  });

  it("ends with the peer's GOAWAY for an error", async () => {
    const peer = await ask();
    await peer.send(encodeGoaway(1, H2Code.enhanceYourCalm));
    expect(peer.closed).toMatchObject([{ code: "HBONE_CONNECTION_CLOSED" }]);
    expect(String(peer.closed[0]?.cause)).toContain("ENHANCE_YOUR_CALM");
  });

  it("respects the peer's limits of streams and header size", async () => {
    const peer = await rawPeer("client");
    await peer.send(
      encodeSettings([
        [3, 1],
        [6, 200],
      ]),
    );
    expect(() => peer.connection.request([...CONNECT, ["a", "x".repeat(100)]], () => {})).toThrow(
      expect.objectContaining({ code: "HBONE_LIMIT" }) as Error,
    );
    peer.connection.request(CONNECT, () => {});
    expect(peer.connection.canOpen).toBe(false);
  });
});

describe("windows for sending", () => {
  it("are kept, move with the peer's settings, also below zero, and let END_STREAM through", async () => {
    const peer = await withTunnel();
    await peer.send(encodeSettings([[4, 10]]));
    const stream = peer.requests[0]?.stream;
    expect(stream?.send(Buffer.from("0123456789abcdef"))).toBe(false);
    stream?.end();
    expect(await peer.send()).toEqual(["data 1 0123456789 (10)"]);
    expect(await peer.send(encodeSettings([[4, 8]]), encodeWindowUpdate(1, 2))).toEqual(["settings ack"]);
    expect(await peer.send(encodeWindowUpdate(1, 3))).toEqual(["data 1 abc (3)"]);
    expect(await peer.send(encodeWindowUpdate(1, 100))).toEqual(["data 1 def (3) end"]);
    expect(peer.sink.events).toEqual(["flushed"]);
  });

  it("of the connection hold all streams, and none longer than needed", async () => {
    const peer = await withTunnel();
    await peer.send(encodeSettings([[4, 1_000_000]]), peer.headers(3, CONNECT));
    const [first, second] = peer.requests.map(({ stream }) => stream);
    first?.send(Buffer.alloc(65_535, "a"));
    await peer.send();
    second?.respond([[":status", "200"]], false);
    second?.send(Buffer.from("b"));
    const sent = await peer.send();
    expect(sent.filter((line) => line.startsWith("data 3"))).toEqual([]);
    expect(peer.connection.isCongested).toBe(true);
    expect(await peer.send(encodeWindowUpdate(0, 1))).toEqual(["data 3 b (1)"]);
    expect(peer.connection.isCongested).toBe(false);
  });
});

describe("a drain", () => {
  it("of a server lets what is under way in, names its last stream after a round trip, and closes after the last", async () => {
    const peer = await withTunnel();
    peer.connection.drain();
    const [goaway, ping] = await peer.send(peer.headers(3, CONNECT));
    expect([goaway, ping]).toEqual([`goaway 2147483647 0`, expect.stringMatching(/^ping /)]);
    expect(peer.requests).toHaveLength(2);
    const pong = encodePing(Buffer.from((ping ?? "").slice(5), "latin1"), true);
    expect(await peer.send(pong)).toEqual(["goaway 3 0"]);
    expect(await peer.send(peer.headers(5, CONNECT), data(5, "ignored"))).toEqual([]);
    expect(peer.requests).toHaveLength(2);
    await peer.send(encodeRstStream(3, 8), data(1, "last words", END));
    expect(peer.closed).toEqual([]);
    peer.requests[0]?.stream.end();
    expect(await peer.send()).toEqual(["data 1  (0) end"]);
    expect(peer.sink.text).toBe("last words");
    expect(peer.closed).toEqual([undefined]);
    expect(peer.wire.readableEnded).toBe(true);
  });

  it("of a server does not wait for a peer that answers no pings", async () => {
    const peer = await rawPeer("server");
    peer.connection.drain();
    peer.clock.advance(1000);
    expect((await peer.send()).at(-1)).toBe("goaway 0 0");
    expect(peer.closed).toEqual([undefined]);
  });

  it("of a client without streams closes at once", async () => {
    const peer = await rawPeer("client");
    peer.connection.drain();
    expect(await peer.send()).toEqual(["goaway 0 0"]);
    expect(peer.closed).toEqual([undefined]);
  });

  it("that goes on for too long is cut off by abort, which tells all streams", async () => {
    const peer = await withTunnel();
    peer.connection.drain();
    const error = Object.assign(new Error("enough"), { name: "MeshError", code: "X" });
    peer.connection.abort(error as never);
    expect((await peer.send()).at(-1)).toBe("goaway 1 0");
    expect(peer.sink.reset?.error).toBe(error);
    expect(peer.closed).toEqual([error]);
  });
});

describe("the end of the transport", () => {
  it("ends all streams with HBONE_CONNECTION_CLOSED", async () => {
    const peer = await withTunnel();
    peer.wire.end();
    await peer.send();
    expect(peer.sink.reset).toMatchObject({ by: "peer", error: { code: "HBONE_CONNECTION_CLOSED" } });
    expect(peer.transport.destroyed).toBe(true);
  });

  it("leaves no timer behind", async () => {
    const peer = await withTunnel();
    peer.connection.abort(Object.assign(new Error("x"), { name: "MeshError", code: "X" }) as never);
    await peer.send();
    peer.wire.end();
    await peer.send();
    expect(peer.transport.destroyed).toBe(true);
    expect(peer.clock.timerCount).toBe(0);
  });
});
