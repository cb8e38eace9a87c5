// SPDX-License-Identifier: Apache-2.0
import { connect } from "node:net";
import { systemClock } from "@ambientmesh/core";
import { FakeClock } from "@ambientmesh/testkit";
import { Metadata, status, type ServiceError, type sendUnaryData } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import {
  DELTA_METHOD,
  GRPC_STATUS,
  GrpcListener,
  SotwClient,
  GrpcTransport,
  sotwType,
  type CallInfo,
} from "../../src/index.ts";
import { ECHO, asIs, callEcho, plainClient } from "../support/echo.ts";
import { MuteClient } from "../support/mute-client.ts";
import { nodeOf } from "../support/harness.ts";
import { SocketServer, socketClient, type SocketClient } from "../support/sockets.ts";
import { TEXT, TextOwner, text, until } from "../support/texts.ts";

async function call(address: string, message: Buffer, headers: Record<string, string> = {}): Promise<Buffer> {
  const client = plainClient(address);
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  try {
    return await callEcho(client, message, metadata);
  } finally {
    client.close();
  }
}

describe("a listener", () => {
  it("serves other services too, which learn the same of their callers", async () => {
    await using server = await SocketServer.start();
    let info: CallInfo | undefined;
    server.listener.addService(ECHO, {
      echo: (unary: Parameters<GrpcListener["infoOf"]>[0] & { request: Buffer }, done: sendUnaryData<Buffer>) => {
        info = server.listener.infoOf(unary);
        done(null, unary.request);
      },
    });
    expect((await call(server.address, Buffer.from("hello"), { clusterid: "c1" })).toString()).toBe("hello");
    expect(info?.metadata("clusterid")).toBe("c1");
    expect(info?.metadata("authorization")).toBe(undefined);
    expect(info?.peerAddress).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(info?.peerCertificate).toBe(undefined);
  });

  it("refuses requests above its limit", async () => {
    await using server = await SocketServer.start({ listener: { maxReceiveBytes: 1000 } });
    server.listener.addService(ECHO, {
      echo: (_: unknown, done: sendUnaryData<Buffer>) => done(null, Buffer.alloc(0)),
    });
    const error = await call(server.address, Buffer.alloc(2000)).catch((thrown: ServiceError) => thrown);
    expect(error).toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  it("ends a stream whose requests are no messages, and goes on serving", async () => {
    await using server = await SocketServer.start();
    const client = plainClient(server.address);
    const stream = client.makeBidiStreamRequest(DELTA_METHOD.path, asIs, asIs, new Metadata());
    const ended = new Promise<number>((resolve) => stream.on("status", ({ code }) => resolve(code)));
    stream.on("error", () => {}).resume();
    stream.write(Buffer.from([0x12, 0xff, 0xff, 0xff, 0x7f, 0x00]));
    expect(await ended).toBe(status.INTERNAL);
    client.close();
    await using peer = socketClient(server.address);
    await peer.client.start();
    expect(server.server.clientCount).toBe(1);
  });

  it("says which address it could not bind", async () => {
    await using server = await SocketServer.start();
    const second = new GrpcListener({ clock: systemClock }, { host: "127.0.0.1", port: server.port });
    await expect(second.start()).rejects.toMatchObject({
      code: "XDS_LISTEN_FAILED",
      details: { host: "127.0.0.1", port: server.port },
    });
    await second[Symbol.asyncDispose]();
  });

  it("may be disposed before it was started, and twice", async () => {
    const listener = new GrpcListener({ clock: systemClock }, { host: "127.0.0.1", port: 0 });
    await listener[Symbol.asyncDispose]();
    await listener[Symbol.asyncDispose]();
    expect(listener.address).toBe(undefined);
  });

  it("lets calls that still run end before it closes", async () => {
    await using server = await SocketServer.start({ listener: { drainMs: 60_000 } });
    const arrived = Promise.withResolvers<sendUnaryData<Buffer>>();
    server.listener.addService(ECHO, { echo: (_: unknown, done: sendUnaryData<Buffer>) => arrived.resolve(done) });
    const answer = call(server.address, Buffer.from("hello"));
    const done = await arrived.promise;
    const closed = server.listener[Symbol.asyncDispose]();
    await expect(call(server.address, Buffer.from("too late"))).rejects.toMatchObject({ code: status.UNAVAILABLE });
    done(null, Buffer.from("late but complete"));
    expect((await answer).toString()).toBe("late but complete");
    await closed;
  });

  it("cuts what does not end in time", async () => {
    await using server = await SocketServer.start({ listener: { drainMs: 50 } });
    server.cache.store(TEXT).set(text("big", "x".repeat(4 << 20)));
    server.cache.flush();
    using mute = new MuteClient(server.address, TEXT);
    await until(() => server.server.clientCount === 1);
    await server.listener[Symbol.asyncDispose]();
    expect(server.listener.connectionCount).toBe(0);
    expect(server.log.events("warn")).toContain("cutting connections that did not end in time");
    await until(() => mute.isClosed);
  });

  it("closes at once when all streams have ended", async () => {
    await using server = await SocketServer.start({ listener: { drainMs: 600_000 } });
    await using peer = socketClient(server.address);
    await peer.client.start();
    await server.server[Symbol.asyncDispose]();
    await server.listener[Symbol.asyncDispose]();
    expect(server.listener.connectionCount).toBe(0);
  });

  it("also drops connections that never spoke", async () => {
    await using server = await SocketServer.start({ listener: { drainMs: 50 } });
    const socket = connect({ host: "127.0.0.1", port: server.port });
    await until(() => server.listener.connectionCount === 1);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await server.listener[Symbol.asyncDispose]();
    socket.resume();
    await closed;
    expect(server.listener.connectionCount).toBe(0);
  });

  it("notices clients that are gone without a word", async () => {
    await using server = await SocketServer.start({ listener: { keepaliveTimeMs: 50, keepaliveTimeoutMs: 50 } });
    const socket = connect({ host: "127.0.0.1", port: server.port });
    socket.resume();
    await using alive = socketClient(server.address);
    await alive.client.start();
    await new Promise((resolve) => socket.once("close", resolve));
    await until(() => server.listener.connectionCount === 1);
    expect(alive.client.status().connection.isConnected).toBe(true);
  });

  it("lets connections age, after which clients come back with nothing lost", async () => {
    await using server = await SocketServer.start({
      listener: { maxConnectionAgeMs: 100, maxConnectionAgeGraceMs: 50 },
    });
    const store = server.cache.store(TEXT);
    store.set(text("a", "x".repeat(10_000)));
    server.cache.flush();
    await using peer = socketClient(server.address);
    await peer.client.start();
    const first = server.server.clients()[0]?.client.id;
    await until(() => server.server.clients().some(({ client }) => client.id !== first));
    store.set(text("b", "1"));
    await until(() => peer.owner.texts.has("b"));
    expect(peer.owner.history.filter((entry) => entry.startsWith("a="))).toHaveLength(1);
    expect(peer.metrics.value("istio_xds_connection_terminations_total", "Reconnect")).toBeGreaterThanOrEqual(1);
  });
});

describe("a new stream over gRPC", () => {
  it("is refused when too many come, and the client comes back later", async () => {
    const clock = new FakeClock();
    await using server = await SocketServer.start({ clock, server: { newStreams: { perSecond: 2, maxWaitMs: 0 } } });
    await using stack = new AsyncDisposableStack();
    const peers = Array.from({ length: 5 }, () => stack.use(socketClient(server.address)));
    const started = Promise.all(peers.map(({ client }) => client.start()));
    const refused = ({ metrics }: SocketClient): boolean =>
      metrics.value("istio_xds_connection_terminations_total", "Error") > 0;
    await until(() => server.server.clientCount === 2 && peers.filter(refused).length === 3);
    clock.advance(1000);
    await until(() => server.server.clientCount === 4);
    clock.advance(1000);
    await started;
    expect(server.server.clientCount).toBe(5);
  });

  it("carries headers that are made anew for each", async () => {
    const tokens: (string | undefined)[] = [];
    await using server = await SocketServer.start({
      authenticate: (call) => {
        tokens.push(call.metadata("authorization"), call.metadata("clusterid"));
        return tokens.length > 2
          ? { outcome: "authenticated", identity: "ok" }
          : { outcome: "refused", reason: "expired" };
      },
    });
    let made = 0;
    const headers = async (): Promise<Record<string, string>> => ({
      authorization: `Bearer ${++made}`,
      clusterid: "Kubernetes",
    });
    await using peer = socketClient(server.address, { headers });
    await peer.client.start();
    expect(tokens).toEqual(["Bearer 1", "Kubernetes", "Bearer 2", "Kubernetes"]);
  });

  it("shows its end as gRPC status", async () => {
    await using server = await SocketServer.start({ authenticate: () => ({ outcome: "refused", reason: "no" }) });
    using mute = new MuteClient(server.address, TEXT);
    mute.read();
    await until(() => mute.isClosed);
    expect(mute.status).toBe(`${GRPC_STATUS.UNAUTHENTICATED}`);
  });
});

describe("a server that is restarted", () => {
  it("sends a client that comes back only what differs", async () => {
    const first = await SocketServer.start();
    first.cache.store(TEXT).replaceAll([text("same", "x".repeat(100_000)), text("changes", "1"), text("goes", "1")]);
    first.cache.flush();
    const { port, address } = first;
    await using peer = socketClient(address);
    await peer.client.start();
    await first[Symbol.asyncDispose]();
    await until(() => !peer.client.status().connection.isConnected);
    expect(peer.owner.texts.size).toBe(3);
    await using second = await SocketServer.start({ listener: { port } });
    second.cache.store(TEXT).replaceAll([text("same", "x".repeat(100_000)), text("changes", "2"), text("comes", "1")]);
    second.cache.flush();
    await until(() => peer.owner.texts.get("comes") === "1");
    expect([...peer.owner.texts.keys()].toSorted()).toEqual(["changes", "comes", "same"]);
    await until(() => second.server.clientCount === 1);
    expect(second.server.clients()[0]?.bytesSent).toBeLessThan(1000);
  });

  it("is waited for when it is not there at first", async () => {
    const probe = await SocketServer.start();
    const { port, address } = probe;
    await probe[Symbol.asyncDispose]();
    await using peer = socketClient(address);
    const started = peer.client.start();
    await until(() => peer.metrics.value("istio_xds_connection_terminations_total", "ConnectionError") >= 2);
    expect(peer.client.status().connection.lastEnd).toMatch(/can't connect to localhost:\d+: .*ECONNREFUSED/);
    await using server = await SocketServer.start({ listener: { port } });
    await started;
    expect(server.server.clientCount).toBe(1);
  });
});

it("a state-of-the-world client works over gRPC too", async () => {
  await using server = await SocketServer.start();
  const store = server.cache.store(TEXT);
  store.replaceAll([text("a", "a"), text("b", "b")]);
  server.cache.flush();
  const owner = Object.assign(new TextOwner(), { nameOf: (value: string) => value.slice(0, 1) });
  const transport = new GrpcTransport({ address: server.address, tls: "plaintext" });
  await using client = new SotwClient(
    { transport, clock: systemClock },
    { node: () => nodeOf(), types: [sotwType(owner)] },
  );
  await client.start();
  store.set(text("a", "a2"));
  store.delete("b");
  await until(() => owner.texts.size === 1 && owner.texts.get("a") === "a2");
  expect(server.server.clients()[0]?.client.protocol).toBe("sotw");
});
