// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { Drain, type MeshError } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { hboneErrors, type SecureOutcome, type TunnelStream, type TunnelTarget } from "../../src/index.ts";
import { isCode, many, noting, request, setUp, target, tunnel, type Bed } from "../support/memory-mesh.ts";
import { memoryPair } from "../support/memory-pair.ts";
import { opened } from "../support/mesh.ts";
import { settled, until } from "../support/turns.ts";

describe("connections", () => {
  it("are shared by all tunnels of one target, and dialled once for those that come first", async () => {
    const bed = setUp();
    await many(bed, 50);
    await many(bed, 50);
    expect(bed.pool.stats()).toMatchObject({
      targets: 1,
      connections: 1,
      tunnels: 100,
      dialsTotal: 1,
      tunnelsOpenedTotal: 100,
    });
  });

  it.each([
    [{ source: "spiffe://other" }],
    [{ expected: ["spiffe://other"] }],
    [{ expected: ["spiffe://b", "spiffe://other"] }],
    [{ address: "10.0.0.2:15008" }],
    [{ extra: "10.0.0.9" }],
  ])("are not shared when %j differs", async (change) => {
    const bed = setUp();
    await tunnel(bed);
    await tunnel(bed, { ...target, ...change });
    expect(bed.pool.stats()).toMatchObject({ targets: 2, connections: 2 });
  });

  it("are shared whatever the order of the expected identities", async () => {
    const bed = setUp();
    await tunnel(bed, { ...target, expected: ["spiffe://x", "spiffe://y"] });
    await tunnel(bed, { ...target, expected: ["spiffe://y", "spiffe://x"] });
    expect(bed.pool.stats().connections).toBe(1);
  });

  it("get company when they are full, and are used again once they have room", async () => {
    const bed = setUp({ pool: { maxStreams: 10 } });
    const first = await many(bed, 10);
    await many(bed, 10);
    expect(bed.pool.stats()).toMatchObject({ connections: 2, dialsTotal: 2 });
    for (const each of first) each.destroy();
    await until(() => bed.pool.stats().tunnels === 10);
    await many(bed, 10);
    expect(bed.pool.stats()).toMatchObject({ connections: 2, dialsTotal: 2, tunnels: 20 });
  });

  it("are as many as it takes for those that come at once", async () => {
    const bed = setUp({ pool: { maxStreams: 10 } });
    await many(bed, 35);
    expect(bed.pool.stats()).toMatchObject({ connections: 4, tunnels: 35 });
  });

  it("hold no more than the peer allows", async () => {
    const bed = setUp({ server: { maxStreams: 3 } });
    await many(bed, 9);
    expect(bed.pool.stats()).toMatchObject({ tunnels: 9 });
    expect(bed.pool.stats().connections).toBeGreaterThanOrEqual(3);
    for (const connection of bed.server.connections) expect(connection.stats().streams).toBeLessThanOrEqual(3);
  });

  it("are replaced when they end or drain, and what a draining peer did not look at is asked again", async () => {
    const bed = setUp();
    await tunnel(bed);
    for (const connection of bed.server.connections) connection.abort(hboneErrors.create("HBONE_DRAINING", "x"));
    await settled();
    await tunnel(bed);
    expect(bed.pool.stats()).toMatchObject({ connections: 1, dialsTotal: 2 });
    for (const connection of bed.server.connections) connection.drain();
    await settled();
    await tunnel(bed);
    expect(bed.pool.stats()).toMatchObject({ dialsTotal: 3, tunnels: 2 });
  });
});

describe("a dial that fails", () => {
  it("fails for all who wait for it, at once, and the next one is tried afresh", async () => {
    const answers = [new Error("no route"), undefined];
    let dials = 0;
    const bed = setUp({
      deps: {
        dial: async () => {
          dials++;
          await settled(3);
          const error = answers.shift();
          if (error) throw error;
          const [near, remote] = memoryPair();
          bed.server.handle(remote, 0);
          return near;
        },
      },
    });
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => bed.pool.connect(target, request)));
    expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["rejected"]));
    expect((results[0] as PromiseRejectedResult).reason).toMatchObject({
      code: "HBONE_DIAL_FAILED",
      message: /no route/,
      retryable: true,
    });
    expect([dials, bed.pool.stats().targets]).toEqual([1, 0]);
    await tunnel(bed);
    expect(bed.pool.stats()).toMatchObject({ connections: 1, dialsFailedTotal: 1, dialsTotal: 2 });
  });

  it("takes no longer than its limit for all of them together, and what comes too late is closed", async () => {
    const { promise, resolve } = Promise.withResolvers<Duplex>();
    const signals: AbortSignal[] = [];
    const bed = setUp({ deps: { dial: (_target, signal) => noting(signals, signal, promise) } });
    const results = Promise.allSettled(Array.from({ length: 5 }, () => bed.pool.connect(target, request)));
    await settled();
    bed.clock.advance(10_000);
    for (const result of await results)
      expect(result).toMatchObject({ reason: { code: "HBONE_TIMEOUT", details: { phase: "dial" } } });
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    const [late] = memoryPair();
    resolve(late);
    await settled();
    expect(late.destroyed).toBe(true);
    expect(bed.clock.timerCount).toBe(0);
  });

  it("is given up when the last who waited has gone, not before", async () => {
    const { promise } = Promise.withResolvers<Duplex>();
    const signals: AbortSignal[] = [];
    const bed = setUp({ deps: { dial: (_target, signal) => noting(signals, signal, promise) } });
    const [one, two] = [new AbortController(), new AbortController()];
    const first = bed.pool.connect(target, { ...request, signal: one.signal });
    const second = bed.pool.connect(target, { ...request, signal: two.signal });
    await settled();
    one.abort(new Error("enough"));
    await expect(first).rejects.toEqual(isCode("ABORTED"));
    expect(signals[0]?.aborted).toBe(false);
    two.abort();
    await expect(second).rejects.toEqual(isCode("ABORTED"));
    await settled();
    expect(signals[0]?.aborted).toBe(true);
    expect(bed.pool.stats()).toMatchObject({ targets: 0, dialing: 0 });
  });

  it("because the handshake could not even begin closes the transport", async () => {
    const transports: Duplex[] = [];
    const secure = async (raw: Duplex): Promise<SecureOutcome> =>
      noting(transports, raw, Promise.reject(new Error("no certificate yet")));
    const bed = setUp({ deps: { secure } });
    await expect(bed.pool.connect(target, request)).rejects.toThrow("no certificate yet");
    expect(transports.map(({ destroyed }) => destroyed)).toEqual([true]);
    expect(bed.pool.stats()).toMatchObject({ dialing: 0, connections: 0, targets: 0 });
  });

  it("because of the peer's certificate says so", async () => {
    const bed = setUp({
      deps: { secure: async () => ({ kind: "refused", reason: "unexpected-identity", message: "it is another" }) },
    });
    await expect(bed.pool.connect(target, request)).rejects.toEqual(isCode("HBONE_PEER_REFUSED"));
  });
});

describe("idle connections", () => {
  it("are kept for five minutes after their last tunnel", async () => {
    const bed = setUp();
    const one = await tunnel(bed);
    await settled();
    bed.clock.advance(600_000);
    await settled();
    expect(bed.pool.stats().connections).toBe(1);
    one.destroy();
    await settled();
    bed.clock.advance(299_999);
    const again = await tunnel(bed);
    bed.clock.advance(299_999);
    again.destroy();
    await settled();
    bed.clock.advance(299_999);
    await settled();
    expect(bed.pool.stats()).toMatchObject({ connections: 1, dialsTotal: 1 });
    bed.clock.advance(1);
    await settled();
    expect(bed.pool.stats()).toMatchObject({ connections: 0, targets: 0 });
    expect(bed.server.stats().connections).toBe(0);
  });

  it("make room when there are too many targets, those unused for longest first", async () => {
    const bed = setUp({ pool: { maxTargets: 3 } });
    const to = (index: number): TunnelTarget => ({ ...target, address: `10.0.0.${index}:15008` });
    const open = [];
    for (const index of [1, 2, 3]) open.push(await tunnel(bed, to(index)));
    open[1]?.destroy();
    await settled();
    await tunnel(bed, to(1));
    await tunnel(bed, to(4));
    await settled();
    expect(bed.pool.stats()).toMatchObject({ targets: 3, connections: 3 });
    expect([...bed.pool.connections()].map((each) => each.target.address)).not.toContain("10.0.0.2:15008");
    // With none idle the least recently used gives way; its tunnel goes on.
    await tunnel(bed, to(5));
    await settled();
    expect(bed.pool.stats()).toMatchObject({ targets: 3, connections: 4, tunnels: 5 });
    expect(open[2]?.destroyed).toBe(false);
  });
});

describe("rotation", () => {
  it("gives new tunnels a new connection, while open ones go on", async () => {
    const bed = setUp();
    const before = await tunnel(bed);
    await tunnel(bed, { ...target, source: "spiffe://other" });
    bed.pool.retire(({ target: { source } }) => source === "spiffe://a");
    const after = await tunnel(bed);
    await tunnel(bed, { ...target, source: "spiffe://other" });
    expect(bed.pool.stats()).toMatchObject({ dialsTotal: 3, connections: 3 });
    before.write("still open");
    await settled();
    expect(bed.far[0]?.read()?.toString()).toBe("still open");
    before.destroy();
    await settled();
    expect(bed.pool.stats()).toMatchObject({ connections: 2 });
    expect(after.destroyed).toBe(false);
  });

  it("reaches connections that are being made", async () => {
    const bed = setUp();
    const gate = Promise.withResolvers<void>();
    bed.gate = gate.promise;
    const waiting = tunnel(bed);
    await settled();
    bed.pool.retire(() => true);
    gate.resolve();
    await waiting;
    expect(bed.pool.stats()).toMatchObject({ dialsTotal: 2, connections: 1, tunnels: 1 });
  });

  it("can cut open tunnels off, for revoked certificates", async () => {
    const bed = setUp();
    const near = opened(await bed.pool.connect(target, request));
    const errors: MeshError[] = [];
    near.on("error", (error: MeshError) => errors.push(error));
    bed.pool.retire(() => true, "abort");
    await settled();
    expect(errors).toEqual([isCode("HBONE_CONNECTION_CLOSED")]);
    expect(bed.pool.stats()).toMatchObject({ connections: 0, targets: 0 });
  });
});

describe("fairness", () => {
  /** Sends to the client's end of the last tunnel, which reads it all. */
  const download = async (bed: Bed, near: TunnelStream, octets: number): Promise<void> => {
    const total = near.bytesRead + octets;
    near.resume();
    bed.far.at(-1)?.write(Buffer.alloc(octets));
    await until(() => near.bytesRead === total);
  };

  it("takes another connection for new tunnels where bulk readers hold all that one can hold", async () => {
    const bed = setUp({ pool: { windowGrowth: 300_000, maxCongested: 2 } });
    await many(bed, 3);
    await download(bed, await tunnel(bed), 2_000_000);
    expect(bed.pool.stats().connections).toBe(1);
    await many(bed, 30);
    expect(bed.pool.stats()).toMatchObject({ connections: 2, tunnels: 34 });
    expect([...bed.server.connections].map((connection) => connection.stats().streams)).toEqual([4, 30]);
  });

  it("takes another connection beside bulk, up to the limit, and comes back when it is over", async () => {
    const bed = setUp({ pool: { maxCongested: 2 } });
    const bulk = await tunnel(bed);
    await settled();
    bed.clock.advance(100);
    await download(bed, bulk, 10_000_000);
    bed.clock.advance(100);
    const beside = await tunnel(bed);
    expect(bed.pool.stats().connections).toBe(2);
    await settled();
    bed.clock.advance(100);
    await download(bed, beside, 10_000_000);
    bed.clock.advance(100);
    await many(bed, 2);
    expect(bed.pool.stats().connections).toBe(2);
    bed.clock.advance(1000);
    await many(bed, 2);
    expect(
      [...bed.server.connections].map((connection) => connection.stats().streams).toSorted((a, b) => a - b),
    ).toEqual([1, 5]);
  });

  it.each([
    ["fails", async () => Promise.reject(new Error("refused"))],
    ["takes longer than a moment", () => new Promise<Duplex>(() => {})],
  ])("goes back to a congested connection when making another one %s", async (_name, another) => {
    let dials = 0;
    const bed = setUp({
      deps: {
        dial: async () => {
          if (dials++ > 0) return another();
          const [near, remote] = memoryPair();
          bed.server.handle(remote, 0);
          return near;
        },
      },
    });
    const bulk = await tunnel(bed);
    await settled();
    bed.clock.advance(100);
    await download(bed, bulk, 10_000_000);
    bed.clock.advance(100);
    const waiting = many(bed, 5);
    await settled();
    bed.clock.advance(100);
    await waiting;
    expect(dials).toBe(2);
    expect(bed.pool.stats()).toMatchObject({ connections: 1, tunnels: 6 });
  });
});

describe("the end of a pool", () => {
  it("waits for open tunnels up to its deadline", async () => {
    const bed = setUp();
    const one = await tunnel(bed);
    const closing = bed.pool.close(5000);
    await expect(bed.pool.connect(target, request)).rejects.toEqual(isCode("HBONE_DRAINING"));
    one.destroy();
    await closing;
    expect(bed.pool.stats().connections).toBe(0);
    expect(bed.clock.timerCount).toBe(0);
  });

  it("cuts them off after it", async () => {
    const bed = setUp();
    const one = await tunnel(bed);
    const closing = bed.pool.close(5000);
    await settled();
    expect(one.destroyed).toBe(false);
    bed.clock.advance(5000);
    await closing;
    expect(one.destroyed).toBe(true);
  });

  it("fails those who wait for a dial", async () => {
    const { promise } = Promise.withResolvers<Duplex>();
    const bed = setUp({ deps: { dial: () => promise } });
    const waiting = bed.pool.connect(target, request);
    await settled();
    const closing = bed.pool.close(0);
    await expect(waiting).rejects.toEqual(isCode("HBONE_DRAINING"));
    await closing;
  });

  it("comes with the program's drain, which it holds up until its tunnels are over", async () => {
    const clock = new FakeClock();
    const drain = new Drain(clock);
    const bed = setUp({ deps: { drain } });
    const one = await tunnel(bed);
    let isOver = false;
    void drain.begin(5000).then(() => (isOver = true));
    await settled();
    expect([isOver, one.destroyed]).toEqual([false, false]);
    clock.advance(5000);
    await settled();
    expect([isOver, one.destroyed]).toEqual([true, true]);
  });

  it("is there from the start when the program is draining already", async () => {
    const drain = new Drain(new FakeClock());
    await drain.begin(0);
    const bed = setUp({ deps: { drain } });
    await expect(bed.pool.connect(target, request)).rejects.toEqual(isCode("HBONE_DRAINING"));
    await bed.pool[Symbol.asyncDispose]();
  });

  it("may come twice, and before anything began", async () => {
    const bed = setUp();
    await bed.pool[Symbol.asyncDispose]();
    await bed.pool[Symbol.asyncDispose]();
    expect(bed.pool.stats()).toMatchObject({ connections: 0, dialsTotal: 0 });
  });
});
