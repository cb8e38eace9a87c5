// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { DeltaClient, SubscriptionMode } from "../src/index.ts";
import { Harness } from "./support/harness.ts";
import { TEXT, contentOf, text, type TextOwner } from "./support/texts.ts";

const NAMES = Array.from({ length: 12 }, (_, at) => `n${at}`);
const ALIASES = ["/1", "/2", "/3"];

const name = fc.constantFrom(...NAMES);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("set" as const),
      name,
      value: fc.nat({ max: 3 }),
      alias: fc.option(fc.constantFrom(...ALIASES)),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("delete" as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reject" as const), name }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("ask" as const), name: fc.constantFrom(...NAMES, ...ALIASES, "missing") }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("drop" as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reconnect" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("pause" as const), turns: fc.nat({ max: 3 }) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** What the owner should end up with. */
function expected(mesh: Harness, mode: SubscriptionMode, names: ReadonlySet<string>): Record<string, string> {
  const everything = contentOf(mesh.cache.store(TEXT));
  if (mode === "wildcard") return everything;
  const wanted = [...names].flatMap((asked) =>
    mesh.cache
      .store(TEXT)
      .find(asked)
      .map(({ name: found }) => found),
  );
  return Object.fromEntries(wanted.map((each) => [each, everything[each] ?? ""]));
}

interface Result {
  readonly owner: TextOwner;
  /** What the client asks for, as the server has it. */
  readonly wanted: Record<string, string>;
  readonly everything: Record<string, string>;
}

/** Runs the steps, then lets everything settle with only good resources left. */
async function run(mode: SubscriptionMode, maxResponseBytes: number, steps: readonly Step[]): Promise<Result> {
  await using mesh = new Harness({ maxResponseBytes });
  const store = mesh.cache.store(TEXT);
  const { client, owner } = mesh.client(mode);
  const started = client.start();
  const names = new Set<string>();
  for (const each of steps) await take(each, { mesh, client, owner, mode, names });
  mesh.cache.flush();
  for (const each of NAMES) if (contentOf(store)[each]?.startsWith("bad")) store.set(text(each, "good"));
  await mesh.until(() => client.status().connection.isConnected || mode !== "wildcard");
  for (let turn = 0; turn < 60; turn++) {
    mesh.clock.advance(1000);
    await mesh.settle();
  }
  await started;
  return { owner, wanted: expected(mesh, mode, names), everything: contentOf(store) };
}

interface World {
  readonly mesh: Harness;
  readonly client: DeltaClient;
  readonly owner: TextOwner;
  readonly mode: SubscriptionMode;
  readonly names: Set<string>;
}

async function take(each: Step, { mesh, client, mode, names }: World): Promise<void> {
  const store = mesh.cache.store(TEXT);
  if (each.do === "set") {
    const aliases = each.alias === null ? [] : [each.alias];
    store.set(text(each.name, `v${each.value}`, { aliases: mode === "named" ? [] : aliases }));
  } else if (each.do === "delete") store.delete(each.name);
  else if (each.do === "reject") store.set(text(each.name, "bad"));
  else if (each.do === "ask" && mode === "on-demand") {
    names.add(each.name);
    void client.demand(TEXT, each.name, { timeoutMs: 10 });
  } else if (each.do === "ask" && mode === "named") {
    await client.subscribe(TEXT, names.add(each.name));
  } else if (each.do === "drop" && mode === "named") {
    names.delete(each.name);
    await client.subscribe(TEXT, names);
  } else if (each.do === "reconnect" || each.do === "restart") await mesh.restart();
  else if (each.do === "pause") {
    mesh.clock.advance(each.turns * 20);
    for (let turn = 0; turn < each.turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

test.each<[SubscriptionMode, number]>([
  ["wildcard", 1 << 20],
  ["wildcard", 40],
  ["on-demand", 1 << 20],
  ["on-demand", 40],
  ["named", 1 << 20],
  ["named", 40],
])("after any history a %s client holds what the server holds (%i bytes per response)", async (mode, bytes) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { owner, wanted, everything } = await run(mode, bytes, steps);
      for (const [each, value] of Object.entries(wanted)) expect(owner.texts.get(each)).toBe(value);
      for (const [each, value] of owner.texts) expect(everything[each]).toBe(value);
      // A demanded alias that moved leaves its old owner subscribed, as in istiod: more than asked for, but up to date.
      const unwanted = [...owner.texts.keys()].filter((each) => !(each in wanted));
      expect(mode === "on-demand" ? [] : unwanted).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
