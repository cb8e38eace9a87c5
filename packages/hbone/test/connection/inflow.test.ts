// SPDX-License-Identifier: Apache-2.0
import { FakeClock } from "@ambientmesh/testkit";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Inflow, type ReceiveSide } from "../../src/connection/inflow.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const limits = { initial: 256 * KIB, max: 4 * MIB, growth: 16 * MIB, streams: 100 };

/** An inflow with a peer that knows its windows only from the updates it is sent. */
function setUp(overrides: Partial<typeof limits> = {}) {
  const clock = new FakeClock();
  const used = { ...limits, ...overrides };
  const peer = { connection: 65_535, streams: new Map<number, number>(), updates: 0 };
  const inflow = new Inflow(used, clock, (id, increment) => {
    peer.updates++;
    if (id === 0) peer.connection += increment;
    else peer.streams.set(id, (peer.streams.get(id) ?? 0) + increment);
  });
  inflow.open();
  const open = (id: number): ReceiveSide => {
    peer.streams.set(id, used.initial);
    return { id, ...inflow.initialState() };
  };
  const send = (side: ReceiveSide, octets: number): number => {
    const allowed = Math.min(octets, peer.connection, peer.streams.get(side.id) ?? 0);
    peer.connection -= allowed;
    peer.streams.set(side.id, (peer.streams.get(side.id) ?? 0) - allowed);
    expect(inflow.receive(side, allowed)).toBe(true);
    return allowed;
  };
  return { clock, inflow, peer, open, send };
}

describe("windows for receiving", () => {
  it("grow for a reader that keeps up, to their maximum", () => {
    const { clock, inflow, open, send, peer } = setUp();
    const side = open(1);
    for (let moved = 0; moved < 20 * MIB;) {
      const octets = send(side, 128 * KIB);
      moved += octets;
      inflow.consumed(side, octets);
      clock.advance(1);
    }
    expect(side.windowSize).toBe(4 * MIB);
    expect(peer.updates).toBeLessThan(60);
  });

  it("do not grow for a reader that is slow, and shrink back when one becomes slow", () => {
    const { clock, inflow, open, send } = setUp();
    const side = open(1);
    const read = (octets: number, ms: number): void => {
      inflow.consumed(side, send(side, octets));
      clock.advance(ms);
    };
    for (let index = 0; index < 20; index++) read(64 * KIB, 200);
    expect(side.windowSize).toBe(256 * KIB);
    for (let index = 0; index < 200; index++) read(64 * KIB, 0);
    expect(side.windowSize).toBe(4 * MIB);
    for (let index = 0; index < 400; index++) read(64 * KIB, 500);
    expect(side.windowSize).toBe(256 * KIB);
    expect(inflow.isExhausted).toBe(false);
  });

  it("grow on long round trips too", () => {
    const { clock, inflow, open, send } = setUp();
    inflow.setRoundTrip(300);
    const side = open(1);
    for (let index = 0; index < 10; index++) {
      inflow.consumed(side, send(side, side.windowSize));
      clock.advance(300);
    }
    expect(side.windowSize).toBe(4 * MIB);
  });

  it("of readers that stall, however many, leave the others theirs", () => {
    const { clock, inflow, open, send } = setUp();
    const sides = Array.from({ length: 100 }, (_unused, index) => open(2 * index + 1));
    const [healthy, ...stalled] = sides as [ReceiveSide, ...ReceiveSide[]];
    // Everybody grows as far as it goes, then all but one stall.
    for (let round = 0; round < 40; round++) {
      for (const side of stalled) inflow.consumed(side, send(side, 128 * KIB));
      clock.advance(1);
    }
    for (const side of stalled) while (send(side, MIB) > 0);
    expect(inflow.isExhausted).toBe(true);
    expect(inflow.held).toBeGreaterThan(32 * MIB);
    expect(inflow.held).toBeLessThanOrEqual(inflow.bound);
    for (let moved = 0; moved < 50 * MIB;) {
      const octets = send(healthy, 64 * KIB);
      expect(octets).toBeGreaterThan(0);
      moved += octets;
      inflow.consumed(healthy, octets);
    }
    expect(inflow.peakHeld).toBeLessThanOrEqual(inflow.bound);
  });

  it("forget what a reset stream held, and what it had grown by", () => {
    const { inflow, open, send } = setUp({ growth: 1 * MIB });
    const side = open(1);
    for (let index = 0; index < 40; index++) inflow.consumed(side, send(side, 128 * KIB));
    send(side, 200 * KIB);
    expect([inflow.held, inflow.isExhausted]).toEqual([200 * KIB, true]);
    inflow.abandon(side);
    expect([inflow.held, inflow.isExhausted]).toEqual([0, false]);
    inflow.consumed(side, 200 * KIB);
    expect(inflow.held).toBe(0);
  });

  it("never disagree with the peer's view, and bound what is held, whatever happens", () => {
    const step = fc.record({
      stream: fc.nat({ max: 3 }),
      octets: fc.nat({ max: 3 * 65_535 }),
      action: fc.constantFrom("send", "send", "consume", "consume", "abandon", "finish"),
      waitMs: fc.constantFrom(0, 0, 1, 30, 2000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const { clock, inflow, open, send, peer } = setUp({
          streams: 4,
          initial: 65_535,
          growth: 300_000,
          max: 262_140,
        });
        let nextId = 1;
        const sides = Array.from({ length: 4 }, () => open(nextId++));
        for (const { stream, octets, action, waitMs } of steps) {
          const side = sides[stream] as ReceiveSide;
          clock.advance(waitMs);
          if (action === "send" && !side.isRemoteEnded) send(side, octets);
          else if (action === "consume") inflow.consumed(side, Math.min(octets, side.held));
          else if (action === "finish") inflow.finish(side);
          else {
            inflow.abandon(side);
            sides[stream] = open(nextId++);
          }
          const live = sides.filter(({ isRemoteEnded }) => !isRemoteEnded);
          expect(live.map(({ receiveWindow }) => receiveWindow)).toEqual(live.map(({ id }) => peer.streams.get(id)));
          expect(inflow.held).toBe(sides.reduce((sum, { held }) => sum + held, 0));
          expect(inflow.held).toBeLessThanOrEqual(inflow.bound);
          // Whoever has room on a stream has room on the connection.
          const room = sides.reduce(
            (sum, { id, isRemoteEnded }) => sum + (isRemoteEnded ? 0 : (peer.streams.get(id) ?? 0)),
            0,
          );
          const unread = sides.reduce((sum, { isRemoteEnded, held }) => sum + (isRemoteEnded ? held : 0), 0);
          expect(peer.connection + unread).toBeGreaterThanOrEqual(Math.min(room, 1));
        }
      }),
    );
  });
});
