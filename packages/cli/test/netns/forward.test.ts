// SPDX-License-Identifier: Apache-2.0
// Ports of the machine that lead into namespaces. Needs root: npx vitest run --project netns packages/cli
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { silentLogger, systemClock } from "@ambientmesh/core";
import { NetworkPlan, createNetns, listenTcp, type Netns } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openForward, type PortForward } from "../../src/local/forward/port-forward.ts";
import { openSocket } from "../../src/local/host-sockets.ts";

describe.runIf(canUseNetns(process.env))("a forwarded port", () => {
  let netns: Netns;
  let server: Server;
  let forward: PortForward;
  let isThere = true;

  beforeEach(async () => {
    isThere = true;
    netns = createNetns();
    await new NetworkPlan().loopback(netns).apply();
    // Answers when the other side has said everything.
    server = createServer({ allowHalfOpen: true }, (socket) => {
      const chunks: Buffer[] = [];
      socket.on("error", () => {});
      socket.on("data", (chunk) => void chunks.push(chunk));
      socket.on("end", () => socket.end(`heard ${Buffer.concat(chunks).length}`));
    });
    await listenTcp(server, { netns, address: "127.0.0.1", port: 80 });
    forward = await openForward(
      {
        name: "test",
        socket: openSocket({ key: "test", port: 0, ifBusy: "choose-another" }),
        target: () => (isThere ? { netns, host: "127.0.0.1", port: 80 } : undefined),
      },
      { clock: systemClock, logger: silentLogger },
    );
  });
  afterEach(async () => {
    await forward[Symbol.asyncDispose]();
    server.close();
    netns[Symbol.dispose]();
  });

  const open = async (): Promise<Socket> => {
    const socket = connect({ host: "127.0.0.1", port: forward.port, allowHalfOpen: true });
    await once(socket, "connect");
    return socket;
  };
  const textOf = async (socket: Socket): Promise<string> => Buffer.concat(await socket.toArray()).toString();

  it("carries both directions to their own ends", async () => {
    const socket = await open();
    socket.end(Buffer.alloc(3_000_000, "x"));
    expect(await textOf(socket)).toBe("heard 3000000");
  });

  it("refuses while there is nothing behind it, and carries again afterwards", async () => {
    isThere = false;
    const refused = await open();
    await once(refused.resume(), "end");
    isThere = true;
    const socket = await open();
    socket.end("x");
    expect(await textOf(socket)).toBe("heard 1");
  });

  it("ends its connections when it is closed", async () => {
    const socket = await open();
    const closed = once(socket.resume(), "end");
    await forward[Symbol.asyncDispose]();
    expect(await Promise.race([closed, delay(5000, "still open")])).toEqual([]);
    await forward[Symbol.asyncDispose]();
  });

  it("survives a client that goes away at once", async () => {
    for (let times = 0; times < 20; times++) (await open()).resetAndDestroy();
    const socket = await open();
    socket.end("x");
    expect(await textOf(socket)).toBe("heard 1");
  });
});
