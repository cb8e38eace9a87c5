// SPDX-License-Identifier: Apache-2.0
// What breaks around a ztunnel must stay there. Needs root: `npx vitest run --project netns packages/ztunnel/test/netns/faults.test.ts`.
import type { Socket } from "node:net";
import { ipBatch } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ipToBytes } from "../../src/net/address.ts";
import { partOf } from "../fixtures.ts";
import { idOf, readSome, startMesh, uidOf, type Mesh, type Node } from "../testbed/mesh.ts";
import { peerAs, type Peer } from "../testbed/peer.ts";

const TWICE = "hello worldhello world";
const [ROUNDS, FLOOD] = [15, 600];

/** Silence before a ping, the time for its answer, and some more. */
const PEER_FOUND_DEAD_MS = 60_000;

describe.runIf(canUseNetns(process.env))("a fault", () => {
  let mesh: Mesh;
  let nodes: readonly Node[];
  let peer: Peer;
  const address = (pod: string): string => mesh.pod(pod).address;

  beforeAll(async () => {
    mesh = await startMesh({ nodes: { n1: ["client", "doomed"], n2: ["far", "plain-peer"] } });
    nodes = [mesh.node("n1"), mesh.node("n2")];
    await mesh.echo("far");
    await mesh.serve("far", 9001, (socket) => socket.on("error", () => socket.destroy()).resetAndDestroy());
    await mesh.serve("far", 9002, (socket) => {
      socket.on("error", () => socket.destroy());
      socket.once("data", () => socket.resetAndDestroy());
    });
    await mesh.serve("far", 9003, flood);
    peer = await peerAs(mesh, "caller");
  });
  afterAll(async () => {
    peer?.[Symbol.dispose]();
    await mesh?.[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    for (const node of nodes) node.records.length = 0;
  });
  /** What is left of a fault: nothing of what broke, everybody else is served, and nothing surprised the proxies. */
  async function aftermath(withinMs = 10_000): Promise<unknown> {
    const open = async (): Promise<number> => {
      const counts = await Promise.all(nodes.map((node) => node.metric("istio_tcp_sockets_open")));
      return counts.reduce((sum, count) => sum + count, 0);
    };
    await vi.waitUntil(async () => (await open()) === 0, { timeout: withinMs, interval: 20 });
    const answer = await mesh.request("client", address("far"), 8080);
    const errors = nodes.flatMap(({ records }) =>
      records.filter(({ level, scope }) => level === "error" && scope !== "access").map(({ message }) => message),
    );
    return { answer, errors };
  }
  const CALM = { answer: TWICE, errors: [] };

  /** Sends for ever, as fast as it is read. */
  function flood(socket: Socket): void {
    const chunk = Buffer.alloc(64 * 1024, "x");
    const send = (): void => {
      while (!socket.destroyed && socket.write(chunk)) continue;
    };
    socket
      .on("error", () => socket.destroy())
      .on("drain", send)
      .resume();
    send();
  }

  /** How often the fault was brought about. What follows from it is checked after each test. */
  async function rounds(round: () => Promise<void>): Promise<number> {
    let count = 0;
    for (; count < ROUNDS; count++) await round();
    return count;
  }

  it.each<[string, number, (socket: Socket) => Promise<void> | void]>([
    ["as soon as it is connected", 8080, (socket) => void socket.resetAndDestroy()],
    ["with bytes on their way", 8080, (socket) => void socket.write("lost", () => socket.resetAndDestroy())],
    [
      "in the middle of an answer",
      9003,
      async (socket) => {
        await readSome(socket);
        socket.resetAndDestroy();
      },
    ],
    [
      "after its own end",
      9003,
      async (socket) => {
        socket.end();
        await readSome(socket);
        socket.resetAndDestroy();
      },
    ],
  ])("of a client that resets %s is its own", async (_name, port, break_) => {
    expect(await rounds(async () => break_(await mesh.connect("client", address("far"), port)))).toBe(ROUNDS);
    expect(await aftermath()).toEqual(CALM);
  });

  it.each([
    ["at once", 9001],
    ["when it is spoken to", 9002],
  ])("of a server that resets %s reaches its client", async (_name, port) => {
    await rounds(async () => {
      const socket = await mesh.connect("client", address("far"), port);
      socket.write("anybody?");
      expect(await readSome(socket)).toBe("");
      socket.destroy();
    });
    expect(await aftermath()).toEqual(CALM);
  });

  it.each<[string, () => Promise<void>]>([
    ["before TLS", async () => void (await peer.dial("far")).resetAndDestroy()],
    [
      "within TLS",
      async () => {
        const socket = await peer.dial("far");
        socket.write(Buffer.from("160301020001", "hex"), () => socket.resetAndDestroy());
      },
    ],
    ["after TLS", async () => (await peer.tunnelTo("far")).abort(gone())],
    [
      "before the answer to its request",
      async () => {
        const connection = await peer.tunnelTo("far");
        const asked = connection.connect({ authority: `${address("far")}:8080` }).catch(() => undefined);
        connection.abort(gone());
        await asked;
      },
    ],
    [
      "with a tunnel that is busy",
      async () => {
        const connection = await peer.tunnelTo("far");
        const outcome = await connection.connect({ authority: `${address("far")}:9003` });
        if (outcome.kind === "open") outcome.tunnel.on("error", () => outcome.tunnel.destroy()).read();
        connection.abort(gone());
      },
    ],
  ])("of a peer that is gone %s leaves nothing behind", async (_name, break_) => {
    expect(await rounds(break_)).toBe(ROUNDS);
    expect(await aftermath()).toEqual(CALM);
  });

  const gone = (): never => Object.assign(new Error("gone"), { name: "MeshError", code: "X", details: {} }) as never;

  it("of clients that do not read stalls nobody else", async () => {
    const stalled = await Promise.all(Array.from({ length: 12 }, () => mesh.connect("client", address("far"), 9003)));
    for (const socket of stalled) socket.pause();
    await expect.poll(() => nodes[0]?.access("connection opened").length).toBe(12);
    for (let call = 0; call < 20; call++) expect(await mesh.request("client", address("far"), 8080)).toBe(TWICE);
    for (const socket of stalled) socket.destroy();
    expect(await aftermath()).toEqual(CALM);
  });

  it("of a service whose server is somebody else ends before a byte is sent", async () => {
    mesh.publishService("web", "10.99.0.1");
    mesh.control.publishWorkload({
      uid: "Kubernetes//Pod/default/impostor",
      name: "impostor",
      namespace: "default",
      serviceAccount: "somebody",
      tunnelProtocol: 1,
      addresses: [ipToBytes(address("far"))],
      services: partOf("web"),
    });
    await mesh.settle();
    expect(await mesh.request("client", "10.99.0.1", 80)).toBe("");
    await expect
      .poll(() => nodes[0]?.access().at(-1))
      .toMatchObject({ reason: "TLS_FAILED", error: expect.stringContaining(idOf("far")) });
    mesh.control.addresses.delete("Kubernetes//Pod/default/impostor");
    mesh.control.addresses.publish();
    expect(await aftermath()).toEqual(CALM);
  });

  it(`of ${FLOOD} connections at once that come and go is over when they are gone`, async () => {
    const sockets = await Promise.all(
      Array.from({ length: FLOOD }, () => mesh.connect("client", address("far"), 8080).catch(() => undefined)),
    );
    for (const socket of sockets) socket?.resetAndDestroy();
    expect(sockets.filter((socket) => socket !== undefined).length).toBeGreaterThan(FLOOD / 2);
    expect(await aftermath()).toEqual(CALM);
  });

  it("of a pod whose network is gone stays in that pod", async () => {
    await mesh.echo("doomed");
    expect(await mesh.request("client", address("doomed"), 8080)).toBe(TWICE);
    const cut = await mesh.connect("client", address("doomed"), 8080);
    await ipBatch(["link set eth0 down"], { netns: mesh.pod("doomed").netns });
    expect(await mesh.request("client", address("far"), 8080)).toBe(TWICE);
    expect(await mesh.node("n1").agent.remove(uidOf("doomed"))).toBe("");
    cut.resetAndDestroy();
    // The far side hears nothing any more: it has to find out by itself that the tunnel is dead.
    expect(await aftermath(PEER_FOUND_DEAD_MS)).toEqual(CALM);
  }, 120_000);
});
