// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { MuteClient } from "../support/mute-client.ts";
import { SocketServer, socketClient } from "../support/sockets.ts";
import { TEXT, text, until } from "../support/texts.ts";

const MiB = 1 << 20;

it("a client that does not read costs one response, however much changes, and delays nobody", async () => {
  await using server = await SocketServer.start();
  const store = server.cache.store(TEXT);
  for (let at = 0; at < 32; at++) store.set(text(`big${at}`, "x".repeat(MiB)));
  server.cache.flush();
  using stack = new DisposableStack();
  const mute = Array.from({ length: 10 }, () => stack.use(new MuteClient(server.address, TEXT)));
  await using fine = socketClient(server.address);
  await fine.client.start();
  await until(() => server.server.clientCount === mute.length + 1);
  await until(() => fine.owner.texts.size === 32);
  const before = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 30; round++) {
    store.set(text("big0", `${round}${"y".repeat(MiB)}`));
    store.set(text("small", `${round}`));
    await until(() => fine.owner.texts.get("small") === `${round}`, `round ${round}`);
  }
  const slow = server.server.clients().filter(({ client }) => client.node.id === "mute");
  expect(slow.map(({ responsesSent }) => responsesSent)).toEqual(mute.map(() => 1));
  expect(slow.every(({ blockedMs }) => blockedMs > 0)).toBe(true);
  // Each kept to its first 3 MiB: what 30 rounds would have queued for ten clients is 300 MiB.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * MiB);
});

it("a client that does not read for too long is disconnected with all that it held", async () => {
  await using server = await SocketServer.start({ server: { writeTimeoutMs: 200 } });
  server.cache.store(TEXT).set(text("big", "x".repeat(4 * MiB)));
  server.cache.flush();
  using mute = new MuteClient(server.address, TEXT);
  await until(() => server.server.clientCount === 1);
  await until(() => server.server.clientCount === 0);
  expect(server.metrics.value("pilot_xds_write_timeout")).toBe(1);
  expect(server.log.events("warn")).toEqual(["disconnecting a client that does not read"]);
  await until(() => server.listener.connectionCount === 0);
  await until(() => mute.isClosed);
});

it("when many big responses are on their way the others wait, and small ones do not", async () => {
  await using server = await SocketServer.start({ server: { maxBytesInFlight: 4 * MiB } });
  server.cache.store(TEXT).set(text("big", "x".repeat(2 * MiB)));
  server.cache.flush();
  using stack = new DisposableStack();
  for (let at = 0; at < 5; at++) stack.use(new MuteClient(server.address, TEXT));
  const started = (): number => server.server.clients().filter(({ responsesSent }) => responsesSent > 0).length;
  await until(() => server.server.clientCount === 5 && started() === 1);
  await using small = socketClient(server.address, { mode: "on-demand" });
  await small.client.start();
  expect(await small.client.demand(TEXT, "nothing", { timeoutMs: 5000 })).toBe("answered");
  await using big = socketClient(server.address);
  const ready = big.client.start();
  await until(() => server.server.clientCount === 7);
  expect(big.client.isSynced).toBe(false);
  stack.dispose();
  await ready;
});
