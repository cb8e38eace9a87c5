// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { SocketServer, socketClient, type SocketClient } from "../support/sockets.ts";
import { TEXT, text, until } from "../support/texts.ts";

const CLIENTS = 1000;

it("a thousand clients on sockets of their own all get each change once, encoded once", async () => {
  await using server = await SocketServer.start();
  const store = server.cache.store(TEXT);
  for (let at = 0; at < 100; at++) store.set(text(`n${at}`, "x".repeat(200)));
  server.cache.flush();
  await using stack = new AsyncDisposableStack();
  const clients: SocketClient[] = [];
  while (clients.length < CLIENTS) {
    const batch = Array.from({ length: 100 }, (_, at) =>
      stack.use(socketClient(server.address, { nodeId: `n${clients.length + at}` })),
    );
    await Promise.all(batch.map(({ client }) => client.start()));
    clients.push(...batch);
  }
  expect(server.server.clientCount).toBe(CLIENTS);
  const sentBefore = server.server.clients().reduce((sum, { bytesSent }) => sum + bytesSent, 0);
  store.set(text("n0", "changed"));
  store.delete("n1");
  await until(() => clients.every(({ owner }) => owner.texts.get("n0") === "changed"));
  expect(clients.every(({ owner }) => owner.texts.size === 99)).toBe(true);
  expect(clients.every(({ owner }) => owner.history.length === 102)).toBe(true);
  const statuses = server.server.clients();
  expect(statuses.every(({ responsesSent }) => responsesSent === 2)).toBe(true);
  const perClient = (statuses.reduce((sum, { bytesSent }) => sum + bytesSent, 0) - sentBefore) / CLIENTS;
  expect(perClient).toBeLessThan(200);
  await until(() => server.server.clients().every(({ types }) => types[0]?.outstanding === 0));
}, 120_000);
