// SPDX-License-Identifier: Apache-2.0
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it, test } from "vitest";
import { Debouncer, type DebounceOptions } from "../../src/cache/debouncer.ts";
import { ResourceCache } from "../../src/index.ts";
import { NOTE, TEXT, text } from "../support/texts.ts";

/** Touches at the given times; returns when it fired, in ms. */
function firings(options: DebounceOptions, touches: readonly number[], endMs: number): number[] {
  const clock = new FakeClock(0);
  const fired: number[] = [];
  const debouncer = new Debouncer(clock, options, () => fired.push(clock.now()));
  for (const at of touches) {
    if (at > clock.now()) clock.advance(at - clock.now());
    debouncer.touch();
  }
  clock.advance(endMs - clock.now());
  return fired;
}

const every = (stepMs: number, endMs: number): number[] =>
  Array.from({ length: endMs / stepMs }, (_, at) => at * stepMs);

describe("the debouncer", () => {
  test.each<[string, DebounceOptions, number[], number[]]>([
    ["an isolated change goes out at once", {}, [0], [0]],
    ["changes that are far apart all go out at once", {}, [0, 500, 1000], [0, 500, 1000]],
    ["a second change soon after the first waits for quiet", {}, [0, 50], [0, 150]],
    ["a storm is one more push", {}, [0, 10, 50, 100, 180], [0, 280]],
    ["a change right after a storm belongs to a storm", {}, [0, 10, 120], [0, 110, 220]],
    ["other times", { quietMs: 10, maxMs: 30 }, [0, 5, 12, 20, 29, 36], [0, 35, 46]],
    ["without quiet time nothing waits", { quietMs: 0 }, [0, 1, 2], [0, 1, 2]],
  ])("%s", (_, options, touches, expected) => {
    expect(firings(options, touches, 60_000)).toEqual(expected);
  });

  it("holds back what is due, and lets it go at once when it is released", () => {
    const clock = new FakeClock(0);
    const fired: number[] = [];
    const debouncer = new Debouncer(clock, {}, () => fired.push(clock.now()));
    const held = debouncer.hold();
    debouncer.touch();
    clock.advance(5000);
    expect(fired).toEqual([]);
    held[Symbol.dispose]();
    expect(fired).toEqual([5000]);
    debouncer.hold()[Symbol.dispose]();
    clock.advance(5000);
    expect(fired).toEqual([5000]);
  });

  it("lets no change wait longer than the maximum", () => {
    expect(firings({}, every(50, 25_000), 60_000)).toEqual([0, 10_050, 20_050, 25_050]);
  });

  it("fires once for many changes of one turn", () => {
    expect(firings({}, [0, 0, 0], 1000)).toEqual([0]);
  });
});

test("a cache publishes its stores together, and flush does so now", () => {
  const clock = new FakeClock(0);
  using cache = new ResourceCache({ clock });
  const seen: string[] = [];
  for (const typeUrl of [TEXT, NOTE]) {
    cache.store(typeUrl).attach({ cursor: 0, changed: () => seen.push(typeUrl) });
    cache.store(typeUrl).set(text("a", "1"));
  }
  expect(seen).toEqual([]);
  clock.advance(0);
  expect(seen).toEqual([TEXT, NOTE]);
  cache.store(TEXT).set(text("a", "2"));
  cache.flush();
  expect(seen).toEqual([TEXT, NOTE, TEXT]);
  expect(cache.store(TEXT)).toBe(cache.store(TEXT));
});

test("a store of one client's own is published with the others until it is released", () => {
  const clock = new FakeClock(0);
  using cache = new ResourceCache({ clock });
  const own = cache.createStore(TEXT);
  own.set(text("a", "1"));
  clock.advance(0);
  expect(own.size).toBe(1);
  cache.releaseStore(own);
  own.set(text("b", "1"));
  clock.advance(1000);
  expect(own.size).toBe(1);
});
