// SPDX-License-Identifier: Apache-2.0
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it, test } from "vitest";
import { FloodGuard, type FloodKind } from "../../src/connection/flood-guard.ts";
import { connectionLimits, type ConnectionOptions } from "../../src/connection/options.ts";
import { H2Code } from "../../src/h2/constants.ts";
import { encodePing, encodeRstStream, encodeSettings, encodeWindowUpdate } from "../../src/h2/frame-writer.ts";
import { frame } from "../support/frames.ts";
import { CONNECT, rawPeer, type RawPeer } from "../support/raw-peer.ts";

const CALM = H2Code.enhanceYourCalm;
const times = (count: number, make: (index: number) => Buffer): Buffer[] =>
  Array.from({ length: count }, (_unused, index) => make(index));

describe("floods", () => {
  test.each<[name: string, count: number, make: (peer: RawPeer) => (index: number) => Buffer]>([
    [
      "streams that are reset at once",
      1100,
      (peer) => (i) => Buffer.concat([peer.headers(2 * i + 3, CONNECT), encodeRstStream(2 * i + 3, 8)]),
    ],
    [
      "malformed requests, which we have to reset",
      1100,
      (peer) => (i) => peer.headers(2 * i + 3, [[":method", "CONNECT"]]),
    ],
    ["streams above the limit", 1300, (peer) => (i) => peer.headers(2 * i + 3, CONNECT)],
    [
      "streams that make us reset them",
      1100,
      (peer) => (i) => Buffer.concat([peer.headers(2 * i + 3, CONNECT), encodeWindowUpdate(2 * i + 3, 0)]),
    ],
    ["pings", 1100, () => () => encodePing(Buffer.alloc(8), false)],
    ["settings", 110, () => () => encodeSettings([])],
    ["empty DATA", 2100, () => () => frame({ type: 0, streamId: 1 })],
    [
      "DATA that is nothing but padding",
      2100,
      () => () => frame({ type: 0, flags: 8, streamId: 1, payload: Buffer.from([1, 0]) }),
    ],
    ["PRIORITY", 2100, () => () => frame({ type: 2, streamId: 1, payload: Buffer.alloc(5) })],
    ["unknown frames", 2100, () => () => frame({ type: 200 })],
    ["resets of closed streams", 2100, () => () => encodeRstStream(1, 8)],
  ])("of %s end the connection", async (_name, count, make) => {
    const peer = await rawPeer("server");
    await peer.send(peer.headers(1, CONNECT));
    const sent = await peer.send(...times(count, make(peer)));
    expect(sent.at(-1)).toMatch(new RegExp(`^goaway \\d+ ${CALM}$`));
    expect(peer.closed).toMatchObject([{ code: "HBONE_PROTOCOL_ERROR", details: { h2Code: "ENHANCE_YOUR_CALM" } }]);
    expect(peer.requests.length).toBeLessThanOrEqual(1101);
  });

  it("are none where a server resets the streams it has answered, as Envoy does", async () => {
    const peer = await rawPeer("client", { maxStreams: 5000 });
    for (let id = 1; id < 6000; id += 2) {
      peer.connection.request(CONNECT, () => {});
      peer.wire.write(Buffer.concat([peer.headers(id, [[":status", "200"]]), encodeRstStream(id, 0)]));
    }
    await peer.send();
    expect(peer.closed).toEqual([]);
    expect(peer.connection.stats()).toMatchObject({ streams: 0, streamsOpened: 3000 });
  });

  it.each<[kind: FloodKind, burst: number, perSecond: number]>([
    ["resets", 1000, 100],
    ["pings", 1000, 100],
    ["settings", 100, 10],
    ["useless", 2000, 200],
  ])("of %s are told from ordinary use by a rate", (kind, burst, perSecond) => {
    const clock = new FakeClock();
    const guard = new FloodGuard(clock);
    const spend = (count: number): void => {
      for (let index = 0; index < count; index++) guard.spend(kind);
    };
    spend(burst);
    clock.advance(1000);
    spend(perSecond);
    expect(() => spend(1)).toThrow(expect.objectContaining({ code: CALM }) as Error);
    clock.advance(3_600_000);
    spend(burst);
    expect(() => spend(1)).toThrow(expect.objectContaining({ code: CALM }) as Error);
  });
});

describe("keepalive", () => {
  const beat = async (peer: RawPeer, ms: number): Promise<string[]> => {
    peer.clock.advance(ms);
    return peer.send();
  };
  /** A peer that has said nothing since the last beat. */
  const silentPeer = async (role: "client" | "server"): Promise<RawPeer> => {
    const peer = await rawPeer(role);
    expect(await beat(peer, 10_000)).toEqual([]);
    return peer;
  };

  it("asks a silent peer and takes anything it sends for an answer", async () => {
    const peer = await silentPeer("server");
    expect(await beat(peer, 10_000)).toEqual([expect.stringMatching(/^ping /)]);
    await peer.send(peer.headers(1, CONNECT));
    expect(await beat(peer, 20_000)).toEqual([]);
    await peer.send(frame({ type: 0, streamId: 1, payload: Buffer.from("x") }));
    expect(await beat(peer, 10_000)).toEqual([]);
    expect(await beat(peer, 10_000)).toEqual([expect.stringMatching(/^ping /)]);
  });

  it("measures the round trip by the answer", async () => {
    const peer = await silentPeer("server");
    const [ping = ""] = await beat(peer, 10_000);
    peer.clock.advance(7);
    await peer.send(encodePing(Buffer.from(ping.slice(5), "latin1"), true));
    expect(peer.connection.stats().roundTripMs).toBe(7);
  });

  it("gives a peer up that stays silent", async () => {
    const peer = await silentPeer("client");
    await beat(peer, 10_000);
    expect(await beat(peer, 19_999)).toEqual([]);
    expect(peer.closed).toEqual([]);
    expect(await beat(peer, 1)).toEqual(["goaway 0 0"]);
    expect(peer.closed).toMatchObject([{ code: "HBONE_CONNECTION_LOST" }]);
  });

  it("can be turned off", async () => {
    const peer = await rawPeer("client", { pingIntervalMs: 0 });
    expect(await beat(peer, 10_000_000)).toEqual([]);
    expect(peer.closed).toEqual([]);
  });
});

describe("limits", () => {
  it("have the defaults that the README names", () => {
    expect(connectionLimits("client")).toEqual({
      maxStreams: 100,
      initialWindow: 262_144,
      maxWindow: 4_194_304,
      windowGrowth: 16_777_216,
      maxFrame: 1_048_576,
      maxHeaderList: 16_384,
      pingIntervalMs: 10_000,
      pingTimeoutMs: 20_000,
      settingsTimeoutMs: 10_000,
    });
    expect(connectionLimits("server")).toMatchObject({ maxStreams: 200, maxHeaderList: 65_536 });
  });

  it.each<[option: ConnectionOptions, name: string]>([
    [{ maxStreams: 0 }, "maxStreams"],
    [{ initialWindow: 65_534 }, "initialWindow"],
    [{ initialWindow: 1.5 }, "initialWindow"],
    [{ maxWindow: 100_000 }, "maxWindow"],
    [{ windowGrowth: -1 }, "windowGrowth"],
    [{ maxFrame: 16_383 }, "maxFrame"],
    [{ maxFrame: 2 ** 24 }, "maxFrame"],
    [{ maxHeaderList: 1 }, "maxHeaderList"],
    [{ pingTimeoutMs: 0 }, "pingTimeoutMs"],
    [{ settingsTimeoutMs: Number.NaN }, "settingsTimeoutMs"],
    [{ maxStreams: 10_000, initialWindow: 4_000_000, maxWindow: 4_000_000 }, "maxStreams * initialWindow"],
  ])("are checked: %j", (options, name) => {
    expect(() => connectionLimits("server", options)).toThrow(
      expect.objectContaining({
        code: "HBONE_OPTIONS_INVALID",
        message: expect.stringContaining(name) as string,
      }) as Error,
    );
  });
});
