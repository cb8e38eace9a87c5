// SPDX-License-Identifier: Apache-2.0
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { expect, test } from "vitest";
import type { XdsDiagnostics } from "../src/index.ts";
import { Harness } from "./support/harness.ts";
import { TEXT, text } from "./support/texts.ts";

const CHANNELS: readonly (keyof XdsDiagnostics)[] = [
  "ambientmesh.xds.server.connected",
  "ambientmesh.xds.server.disconnected",
  "ambientmesh.xds.server.nack",
  "ambientmesh.xds.client.rejected",
  "ambientmesh.xds.client.ended",
];

test("connections, rejections and ends can be watched", async () => {
  const seen: [string, unknown][] = [];
  const watch = (message: unknown, name: string | symbol): void => void seen.push([String(name), message]);
  for (const name of CHANNELS) subscribe(name, watch);
  try {
    await using mesh = new Harness();
    const { client } = mesh.client();
    await client.start();
    mesh.cache.store(TEXT).set(text("a", "bad"));
    await mesh.until(() => mesh.server.clients()[0]?.types[0]?.lastNack !== undefined);
    await mesh.restart();
    await mesh.until(() => seen.some(([name]) => name.endsWith("ended")));
  } finally {
    for (const name of CHANNELS) unsubscribe(name, watch);
  }
  const messages = new Map(seen.toReversed());
  expect([...messages.keys()].toSorted()).toEqual([...CHANNELS].toSorted());
  expect(messages.get("ambientmesh.xds.server.nack")).toMatchObject({
    client: { peerAddress: "memory" },
    typeUrl: TEXT,
    nack: { message: "a: can't use bad" },
  });
  expect(messages.get("ambientmesh.xds.client.rejected")).toEqual({
    typeUrl: TEXT,
    rejected: [{ name: "a", reason: "can't use bad" }],
  });
  expect(messages.get("ambientmesh.xds.client.ended")).toMatchObject({ error: { code: "XDS_STREAM_ENDED" } });
});
