// SPDX-License-Identifier: Apache-2.0
import { gunzipSync } from "node:zlib";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { systemClock } from "@ambientmesh/core";
import type { AdminAnswer } from "@ambientmesh/telemetry";
import { FakeClock } from "@ambientmesh/testkit";
import { expect, it, test } from "vitest";
import { encodePprof } from "../../src/admin/cpu-profile.ts";
import { pprofRoutes } from "../../src/admin/pprof-routes.ts";

/** The fields of a protobuf message by number; numbers, or bytes. */
function fieldsOf(bytes: Uint8Array): Map<number, (bigint | number | Uint8Array)[]> {
  const fields = new Map<number, (bigint | number | Uint8Array)[]>();
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    const value = type === WireType.LengthDelimited ? reader.bytes() : Number(reader.int64());
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

const frame = (functionName: string, lineNumber: number) => ({
  functionName,
  scriptId: "1",
  url: "file:///a.ts",
  lineNumber,
  columnNumber: 0,
});

it("writes the samples of V8 as pprof reads them", () => {
  const encoded = encodePprof(
    {
      nodes: [
        { id: 1, callFrame: frame("(root)", -1), children: [2] },
        { id: 2, callFrame: frame("outer", 9), children: [3] },
        { id: 3, callFrame: frame("", 19) },
      ],
      startTime: 1000,
      endTime: 4000,
      samples: [3, 3, 2],
      timeDeltas: [1000, 500, 250],
    },
    1000,
  );
  const profile = fieldsOf(encoded);
  const strings = (profile.get(6) as Uint8Array[]).map((bytes) => Buffer.from(bytes).toString());
  expect(strings).toEqual([
    "",
    "samples",
    "count",
    "cpu",
    "nanoseconds",
    "(root)",
    "file:///a.ts",
    "outer",
    "(anonymous)",
  ]);
  const samples = (profile.get(2) as Uint8Array[]).map((bytes) => Array.from(fieldsOf(bytes).values()));
  expect(samples).toEqual([
    [
      [3, 2, 1],
      [2, 1_500_000],
    ],
    [
      [2, 1],
      [1, 250_000],
    ],
  ]);
  const functions = (profile.get(5) as Uint8Array[]).map((bytes) => fieldsOf(bytes));
  expect(functions.map((fields) => [strings[fields.get(2)?.[0] as number], fields.get(5)?.[0]])).toEqual([
    ["(root)", 0],
    ["outer", 10],
    ["(anonymous)", 20],
  ]);
  expect(profile.get(4)).toHaveLength(3);
  expect([profile.get(10), profile.get(12)]).toEqual([[3_000_000], [1_000_000]]);
});

async function ask(query: string, clock = systemClock, routes = pprofRoutes(clock)): Promise<AdminAnswer> {
  const [profile] = routes;
  if (!profile) throw new Error("no route");
  return profile.handle({
    method: "GET",
    path: profile.path,
    query: new URLSearchParams(query),
    headers: {},
    remoteAddress: "127.0.0.1",
    body: "",
    signal: new AbortController().signal,
  });
}

it("profiles the process that it runs in, once at a time", async () => {
  const clock = new FakeClock();
  const routes = pprofRoutes(clock);
  const first = ask("seconds=5&frequency=1000", clock, routes);
  expect(await ask("", clock, routes)).toMatchObject({ status: 409 });
  const step = setInterval(() => clock.advance(1000), 1);
  const { body, contentType } = await first.finally(() => clearInterval(step));
  expect(contentType).toBe("application/octet-stream");
  expect(fieldsOf(gunzipSync(body as Buffer)).get(1)).toHaveLength(2);
});

test.each(["seconds=0", "seconds=301", "seconds=x", "frequency=0", "frequency=1001"])("refuses ?%s", async (query) => {
  expect(await ask(query)).toMatchObject({ status: 400 });
});

it("says that there is no heap profile", async () => {
  const [, heap] = pprofRoutes(systemClock);
  expect(await heap?.handle({} as never)).toMatchObject({ status: 500 });
});
