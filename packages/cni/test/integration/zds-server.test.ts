// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { silentLogger } from "@ambientmesh/core";
import { openNetns, type Netns } from "@ambientmesh/linux";
import { createMetrics, type MetricsRegistry } from "@ambientmesh/telemetry";
import { FakeClock } from "@ambientmesh/testkit";
import { ZdsServer } from "../../src/zds/zds-server.ts";
import { eventually } from "../support/eventually.ts";
import { ACK, HELLO, ZdsPeer, nack } from "../support/zds-peer.ts";

const workload = (uid: string) => ({ uid, name: `pod-${uid}`, namespace: "shop", serviceAccount: "default" });

/** No namespace is entered here, so that of this process will do. */
describe("the ZDS server", () => {
  let directory: string;
  let path: string;
  let clock: FakeClock;
  let metrics: MetricsRegistry;
  let server: ZdsServer;
  let netns: Netns;
  let synced: number;
  let refused: string[];

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "zds-"));
    path = join(directory, "ztunnel.sock");
    clock = new FakeClock();
    metrics = createMetrics();
    netns = openNetns("/proc/self/ns/net");
    synced = 0;
    refused = [];
    server = new ZdsServer(
      {
        clock,
        logger: silentLogger,
        metrics,
        onConnected: () => void synced++,
        onRefused: (uid, reason) => void refused.push(`${uid}: ${reason}`),
      },
      { path, maxConnections: 3 },
    );
    await server.start();
  });
  afterEach(async () => {
    await server[Symbol.asyncDispose]();
    netns[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });

  /** Connects; the server takes one connection per 200 ms. */
  async function connect(): Promise<ZdsPeer> {
    clock.advance(200);
    return ZdsPeer.greeting(path);
  }

  const connections = async (): Promise<string | undefined> =>
    /^ztunnel_connected (\d+)$/m.exec(await metrics.render("prometheus"))?.[1];

  it("tells a proxy of all pods, with one namespace each, and then that these were all", async () => {
    server.expect({ workload: workload("a"), netns });
    server.expect({ workload: workload("b"), netns });
    server.expect({ workload: workload("lost"), netns: undefined });
    using peer = await connect();
    expect(await peer.take()).toBe(`add a ${netns.ino}`);
    expect(await peer.take()).toBe(`add b ${netns.ino}`);
    expect(await peer.take()).toBe("keep lost");
    expect(await peer.take()).toBe("snapshotSent");
    await eventually("the news", () => synced === 1);
    expect([await connections(), refused]).toEqual(["1", []]);
  });

  it("sends one message at a time", async () => {
    server.expect({ workload: workload("a"), netns });
    using peer = await connect();
    expect(await peer.next()).toMatch(/^add a/);
    const outcomes = [server.add(workload("b"), netns), server.add(workload("c"), netns)];
    const second = peer.next();
    expect(await Promise.race([second, Promise.resolve("nothing yet")])).toBe("nothing yet");
    await peer.connection.send(ACK);
    const rest = [await second];
    await peer.connection.send(ACK);
    rest.push(await peer.take(), await peer.take());
    expect(rest.map((text) => text.split(" ").slice(0, 2).join(" ")).toSorted()).toEqual([
      "add b",
      "add c",
      "snapshotSent",
    ]);
    expect(await Promise.all(outcomes)).toEqual([{ kind: "acked" }, { kind: "acked" }]);
  });

  it("says that nobody is connected, and remembers the pod for whoever comes", async () => {
    expect(await server.add(workload("a"), netns)).toEqual({ kind: "not-connected" });
    using peer = await connect();
    expect(await peer.takeSnapshot()).toEqual([`add a ${netns.ino}`]);
    expect(await server.add(workload("a"), netns)).toEqual({ kind: "acked" });
  });

  it("isolates a pod that the proxy refuses", async () => {
    server.expect({ workload: workload("bad"), netns });
    server.expect({ workload: workload("good"), netns });
    using peer = await connect();
    expect(await peer.next()).toMatch(/^add bad/);
    await peer.connection.send(nack("port is taken"));
    expect(await peer.takeSnapshot()).toEqual([`add good ${netns.ino}`]);
    await eventually("the news", () => synced === 1);
    expect(refused).toEqual(["bad: port is taken"]);
    const again = server.add(workload("bad"), netns);
    expect(await peer.next()).toMatch(/^add bad/);
    await peer.connection.send(nack("still"));
    expect(await again).toEqual({ kind: "refused", reason: "still" });
  });

  it("gives up a proxy that falls silent, and keeps the pod from poisoning the next snapshot", async () => {
    server.expect({ workload: workload("slow"), netns });
    server.expect({ workload: workload("good"), netns });
    using first = await connect();
    expect(await first.next()).toMatch(/^add slow/);
    clock.advance(4999);
    expect(await connections()).toBe("1");
    clock.advance(1);
    expect(await first.next()).toBe("end");
    using second = await connect();
    expect(await second.takeSnapshot()).toEqual(["keep slow", `add good ${netns.ino}`]);
    await eventually("the news", () => synced === 1);
    expect(refused).toEqual(["slow: an earlier offer of the pod was never answered"]);
    const retried = server.add(workload("slow"), netns);
    expect(await second.take()).toMatch(/^add slow/);
    expect(await retried).toEqual({ kind: "acked" });
    using third = await connect();
    expect(await third.takeSnapshot()).toEqual([`add slow ${netns.ino}`, `add good ${netns.ino}`]);
  });

  it("tells who waits when the proxy goes away", async () => {
    const peer = await connect();
    await peer.takeSnapshot();
    const added = server.add(workload("a"), netns);
    expect(await peer.next()).toMatch(/^add a/);
    peer[Symbol.dispose]();
    expect(await added).toEqual({ kind: "lost" });
    await eventually("no connection", async () => (await connections()) === "0");
    expect(await server.add(workload("a"), netns)).toEqual({ kind: "not-connected" });
  });

  it("offers pods to the newest proxy alone, and tells all of them to let go", async () => {
    using old = await connect();
    await old.takeSnapshot();
    using young = await connect();
    await young.takeSnapshot();
    const added = server.add(workload("a"), netns);
    expect(await young.take()).toBe(`add a ${netns.ino}`);
    expect(await added).toEqual({ kind: "acked" });
    const removed = server.remove("a");
    expect(await Promise.all([old.take(), young.take()])).toEqual(["del a", "del a"]);
    await removed;
    expect(await connections()).toBe("2");
  });

  it("brings an older proxy up to date when the newest is gone", async () => {
    using old = await connect();
    await old.takeSnapshot();
    const young = await connect();
    await young.takeSnapshot();
    const added = server.add(workload("a"), netns);
    await young.take();
    await added;
    young[Symbol.dispose]();
    expect(await old.take()).toBe(`add a ${netns.ino}`);
  });

  it("does not offer a pod that was taken back meanwhile", async () => {
    server.expect({ workload: workload("a"), netns });
    server.expect({ workload: workload("b"), netns });
    using peer = await connect();
    expect(await peer.next()).toMatch(/^add a/);
    const removed = server.remove("b");
    await peer.connection.send(ACK);
    expect(await peer.take()).toBe("del b");
    await removed;
    expect(await peer.take()).toBe("snapshotSent");
  });

  it("offers a pod again that was taken back while it was offered", async () => {
    using peer = await connect();
    await peer.takeSnapshot();
    const first = server.add(workload("a"), netns);
    const removed = server.remove("a");
    expect(await peer.take()).toMatch(/^add a/);
    await first;
    const second = server.add(workload("a"), netns);
    expect(await peer.take()).toBe("del a");
    await removed;
    expect(await peer.take()).toMatch(/^add a/);
    expect(await second).toEqual({ kind: "acked" });
  });

  it("does not offer a namespace that was closed in the meantime", async () => {
    using peer = await connect();
    await peer.takeSnapshot();
    const gone = openNetns("/proc/self/ns/net");
    const first = server.add(workload("a"), netns);
    const second = server.add(workload("b"), gone);
    gone[Symbol.dispose]();
    await peer.take();
    expect((await first).kind).toBe("acked");
    expect(await second).toMatchObject({
      kind: "refused",
      reason: expect.stringMatching(/closed by its owner/) as string,
    });
  });

  it("makes a proxy connect again that refuses the snapshot", async () => {
    using peer = await connect();
    expect(await peer.next()).toBe("snapshotSent");
    await peer.connection.send(nack("a second one"));
    expect(await peer.next()).toBe("end");
    expect(synced).toBe(0);
  });

  it("waits for a proxy", async () => {
    const waiting = server.whenConnected(1000);
    using _peer = await connect();
    expect(await waiting).toBe(true);
    expect(await server.whenConnected(0)).toBe(true);
  });

  it("waits for a proxy no longer than asked to", async () => {
    const waiting = server.whenConnected(1000);
    clock.advance(1000);
    expect(await waiting).toBe(false);
    const stop = new AbortController();
    const aborted = server.whenConnected(1000, stop.signal);
    stop.abort();
    expect(await aborted).toBe(false);
  });

  it("lets in no more proxies than there can be", async () => {
    const peers: ZdsPeer[] = [];
    for (let index = 0; index < 3; index++) {
      const peer = await connect();
      await peer.takeSnapshot();
      peers.push(peer);
    }
    clock.advance(200);
    using extra = new ZdsPeer(path);
    expect(await extra.next()).toBe("end");
    peers.forEach((peer) => peer[Symbol.dispose]());
  });

  it("does not start where another agent listens", async () => {
    const deps = { clock, logger: silentLogger, metrics, onConnected: () => {}, onRefused: () => {} };
    await expect(new ZdsServer(deps, { path }).start()).rejects.toMatchObject({ code: "CNI_SOCKET_IN_USE" });
  });

  it("closes connections when it ends, and the socket file is gone", async () => {
    using peer = await connect();
    await peer.takeSnapshot();
    await server[Symbol.asyncDispose]();
    expect(await peer.next()).toBe("end");
    expect(() => new ZdsPeer(path)).toThrow(/ENOENT/);
  });

  test.each<[string, readonly Uint8Array[]]>([
    ["a hello of another version", [Buffer.from("0802", "hex")]],
    ["no hello but an answer", [ACK]],
    ["bytes that are no message", [Buffer.from("ff", "hex")]],
    ["an answer to nothing", [HELLO, ACK, ACK]],
    ["an answer that says nothing", [HELLO, Buffer.from("1200", "hex")]],
    ["a message that is too long", [HELLO, Buffer.alloc(2000, 1)]],
  ])("closes the connection of a peer that sends %s", async (_case, messages) => {
    clock.advance(200);
    using peer = new ZdsPeer(path, { maxBytes: 4096 });
    for (const message of messages) await peer.connection.send(message);
    const seen: string[] = [];
    while (seen.at(-1) !== "end") seen.push(await peer.next());
    await eventually("the end", async () => (await connections()) === "0");
    expect(seen.length).toBeLessThanOrEqual(2);
  });

  it("closes the connection of a peer that says nothing", async () => {
    clock.advance(200);
    using peer = new ZdsPeer(path);
    const end = peer.next();
    await eventually("a deadline", () => (clock.nextTimerInMs ?? 0) > 0 && clock.timerCount >= 2);
    clock.advance(5000);
    expect(await end).toBe("end");
  });

  it("survives any garbage, and serves the next proxy", async () => {
    server.expect({ workload: workload("a"), netns });
    const datagram = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.constant(ACK), fc.constant(HELLO));
    await fc.assert(
      fc.asyncProperty(fc.array(datagram, { maxLength: 6 }), async (messages) => {
        clock.advance(200);
        const peer = new ZdsPeer(path);
        try {
          for (const message of messages) await peer.connection.send(message);
        } catch {
          // The agent was quicker to close.
        }
        peer[Symbol.dispose]();
      }),
      { numRuns: 100 },
    );
    using peer = await ZdsPeer.greeting(path);
    const first = peer.next();
    await eventually("its turn", async () => {
      clock.advance(200);
      return Promise.race([first, Promise.resolve(false)]);
    });
    expect(await first).toBe(`add a ${netns.ino}`);
    await peer.connection.send(ACK);
    expect(await peer.takeSnapshot()).toEqual([]);
  });
});
