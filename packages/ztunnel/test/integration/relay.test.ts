// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { relay } from "../../src/proxy/relay.ts";
import type { ConnectionEnd } from "../../src/telemetry/connection-record.ts";

const open = new Set<{ destroy(): void } | Server>();
const counted = { client: 0, server: 0 };
const observer = {
  addClientBytes: (count: number) => void (counted.client += count),
  addServerBytes: (count: number) => void (counted.server += count),
};

/** Both ends of a TCP connection on loopback; the second is not read yet. */
async function pair(): Promise<[outer: Socket, inner: Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection");
  const outer = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
  const [inner] = (await accepted) as [Socket];
  await once(outer, "connect");
  server.close();
  open.add(outer).add(inner);
  outer.on("error", () => outer.destroy());
  return [outer, inner];
}

let client: Socket;
let server: Socket;
let abort: AbortController;
let end: Promise<ConnectionEnd>;
beforeEach(async () => {
  Object.assign(counted, { client: 0, server: 0 });
  const [[outerClient, innerClient], [outerServer, innerServer]] = [await pair(), await pair()];
  [client, server] = [outerClient, outerServer];
  abort = new AbortController();
  end = relay(innerClient, innerServer, observer, abort.signal);
});
afterEach(() => {
  for (const socket of open) if ("destroy" in socket) socket.destroy();
  open.clear();
});

it("passes on each end by itself and counts both ways", async () => {
  client.end("question");
  expect(Buffer.concat((await server.toArray()) as Buffer[]).toString()).toBe("question");
  server.end("the answer");
  expect(Buffer.concat((await client.toArray()) as Buffer[]).toString()).toBe("the answer");
  expect(await end).toEqual({ reason: "OK", endedBy: "client" });
  expect(counted).toEqual({ client: 8, server: 10 });
});

it("names the server when that ends first", async () => {
  server.end();
  client.resume();
  await once(client, "end");
  client.end();
  server.resume();
  expect(await end).toEqual({ reason: "OK", endedBy: "server" });
});

it.each([
  ["client", () => [client, server]],
  ["server", () => [server, client]],
] as const)("passes on a reset by the %s as a reset", async (side, sockets) => {
  const [breaker, other] = sockets();
  breaker?.write("x");
  if (other) await once(other, "data");
  const { promise, resolve } = Promise.withResolvers<string>();
  other?.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
  breaker?.resetAndDestroy();
  expect(await promise).toBe("ECONNRESET");
  expect(await end).toEqual({ reason: "OK", endedBy: side });
});

it("holds a fast writer until a slow reader has read", async () => {
  const chunk = Buffer.alloc(1024 * 1024);
  let written = 0;
  for (let round = 0; round < 64; round++) {
    written += chunk.length;
    client.write(chunk);
  }
  client.end();
  // Nobody reads: what passed must stay far below what was offered.
  await expect.poll(() => counted.client).toBeGreaterThan(0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(counted.client).toBeLessThan(written);
  let read = 0;
  for await (const piece of server) read += (piece as Buffer).length;
  expect(read).toBe(written);
  server.end();
  client.resume();
  await end;
});

it("closes both at once when it is cut", async () => {
  client.resume();
  server.resume();
  const closed = [once(client, "end"), once(server, "end")];
  abort.abort();
  await Promise.all(closed);
  expect(await end).toEqual({ reason: "DRAINED", endedBy: "proxy" });
});
