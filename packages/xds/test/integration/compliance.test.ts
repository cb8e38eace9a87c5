// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "@ambientmesh/core";
import { describe, expect, it } from "vitest";
import { DeltaClient, GrpcTransport, deltaType } from "../../src/index.ts";
import { nodeOf } from "../support/harness.ts";
import { InterruptibleTransport } from "../support/interruptible-transport.ts";
import { SocketServer } from "../support/sockets.ts";
import { NOTE, TEXT, TextOwner, contentOf, text, until } from "../support/texts.ts";
import { ZtunnelLike } from "../support/ztunnel-like.ts";

/** A client of the text type (wildcard or on-demand) and, after it, of the note type (wildcard). */
interface Peer extends AsyncDisposable {
  /** Connects; resolves when the initial sync is done. */
  connect(): Promise<unknown>;
  /** Breaks the stream and comes back. */
  reconnect(): void;
  texts(typeUrl?: string): Record<string, string>;
  demand(name: string): Promise<unknown>;
}

function ourClient(address: string, isOnDemand: boolean): Peer {
  const owners = new Map([TEXT, NOTE].map((typeUrl) => [typeUrl, new TextOwner(typeUrl)]));
  const types = [...owners].map(([typeUrl, owner]) =>
    deltaType(owner, isOnDemand && typeUrl === TEXT ? "on-demand" : "wildcard"),
  );
  const transport = new InterruptibleTransport(new GrpcTransport({ address, tls: "plaintext" }));
  const client = new DeltaClient({ transport, clock: systemClock }, { node: () => nodeOf(), types });
  return {
    connect: () => client.start(),
    reconnect: () => transport.interrupt(),
    texts: (typeUrl = TEXT) => Object.fromEntries(owners.get(typeUrl)?.texts ?? []),
    demand: (name) => client.demand(TEXT, name, { timeoutMs: 5000 }),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

function ztunnel(address: string, isOnDemand: boolean): Peer {
  const client = new ZtunnelLike(address, [
    { typeUrl: TEXT, isOnDemand },
    { typeUrl: NOTE, isOnDemand: false },
  ]);
  return {
    connect: () => {
      client.connect();
      return client.ready;
    },
    reconnect: () => {
      client.disconnect();
      client.connect();
    },
    texts: (typeUrl = TEXT) => Object.fromEntries(client.texts(typeUrl)),
    demand: (name) => client.demand(TEXT, name),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

describe.each([
  ["our client", ourClient],
  ["a client that sends what ztunnel sends", ztunnel],
])("%s", (_, peerOf) => {
  const isEqual = (peer: Peer, server: SocketServer): boolean => {
    const [has, wanted] = [peer.texts(), contentOf(server.cache.store(TEXT))];
    const names = new Set([...Object.keys(has), ...Object.keys(wanted)]);
    return [...names].every((name) => has[name] === wanted[name]);
  };

  it("gets everything, then changes and removals", async () => {
    await using server = await SocketServer.start();
    server.cache.store(TEXT).replaceAll([text("a", "1"), text("b", "1")]);
    server.cache.store(NOTE).set(text("n", "1"));
    server.cache.flush();
    await using peer = peerOf(server.address, false);
    await peer.connect();
    expect([peer.texts(), peer.texts(NOTE)]).toEqual([{ a: "1", b: "1" }, { n: "1" }]);
    server.cache.store(TEXT).set(text("a", "2"));
    server.cache.store(TEXT).delete("b");
    await until(() => peer.texts()["a"] === "2" && peer.texts()["b"] === undefined);
    await until(() => server.server.clients()[0]?.types.every(({ outstanding }) => outstanding === 0) === true);
  });

  it("is ready only when all of a state that takes several responses is there", async () => {
    await using server = await SocketServer.start({ server: { maxResponseBytes: 10_000 } });
    const store = server.cache.store(TEXT);
    for (let at = 0; at < 1000; at++) store.set(text(`n${at}`, "x".repeat(100)));
    server.cache.flush();
    await using peer = peerOf(server.address, false);
    await peer.connect();
    expect(Object.keys(peer.texts())).toHaveLength(1000);
    expect(server.server.clients()[0]?.responsesSent).toBeGreaterThan(10);
  });

  it("uses what is good of a bad response, tells what is bad, and gets it again when it changed", async () => {
    await using server = await SocketServer.start();
    const store = server.cache.store(TEXT);
    store.replaceAll([text("a", "1"), text("b", "bad")]);
    server.cache.flush();
    await using peer = peerOf(server.address, false);
    const ready = peer.connect();
    await until(() => server.server.clients()[0]?.types[0]?.lastNack !== undefined);
    expect(server.server.clients()[0]?.types[0]?.lastNack?.message).toBe("b: can't use bad");
    expect(peer.texts()).toEqual({ a: "1" });
    store.set(text("b", "2"));
    await ready;
    expect(peer.texts()).toEqual({ a: "1", b: "2" });
  });

  it("comes back and is sent only what differs, and again what it had rejected", async () => {
    await using server = await SocketServer.start();
    const store = server.cache.store(TEXT);
    const big = "x".repeat(100_000);
    store.replaceAll([text("same", big), text("changes", "1"), text("goes", "1"), text("rejected", "1")]);
    server.cache.flush();
    await using peer = peerOf(server.address, false);
    await peer.connect();
    store.set(text("rejected", "bad"));
    await until(() => server.server.clients()[0]?.types[0]?.lastNack !== undefined);
    const before = server.server.clients()[0]?.client.id;
    peer.reconnect();
    store.set(text("changes", "2"));
    store.delete("goes");
    await until(() => server.server.clients()[0]?.client.id !== before && server.server.clientCount === 1);
    await until(() => server.server.clients()[0]?.types[0]?.lastNack?.message === "rejected: can't use bad");
    store.set(text("rejected", "2"));
    await until(() => isEqual(peer, server));
    expect(server.server.clients()[0]?.bytesSent).toBeLessThan(10_000);
  });

  it("on demand holds only what it asked for, and follows it", async () => {
    await using server = await SocketServer.start();
    const store = server.cache.store(TEXT);
    store.replaceAll([text("a", "1"), text("b", "1"), text("c", "1")]);
    server.cache.flush();
    await using peer = peerOf(server.address, true);
    await peer.connect();
    expect(peer.texts()).toEqual({});
    await peer.demand("a");
    expect(peer.texts()).toEqual({ a: "1" });
    await peer.demand("nothing");
    store.set(text("a", "2"));
    store.set(text("b", "2"));
    await until(() => peer.texts()["a"] === "2");
    expect(peer.texts()).toEqual({ a: "2" });
    store.set(text("nothing", "something"));
    store.delete("a");
    await until(() => JSON.stringify(peer.texts()) === '{"nothing":"something"}');
  });

  it("on demand keeps its subscription over a reconnect", async () => {
    await using server = await SocketServer.start();
    const store = server.cache.store(TEXT);
    store.replaceAll([text("a", "1"), text("b", "1"), text("c", "1")]);
    server.cache.flush();
    await using peer = peerOf(server.address, true);
    await peer.connect();
    await Promise.all([peer.demand("a"), peer.demand("b")]);
    const before = server.server.clients()[0]?.client.id;
    peer.reconnect();
    await until(() => server.server.clients()[0]?.client.id !== before && server.server.clientCount === 1);
    store.set(text("a", "2"));
    store.delete("b");
    store.set(text("c", "2"));
    await until(() => peer.texts()["a"] === "2" && peer.texts()["b"] === undefined);
    expect(peer.texts()).toEqual({ a: "2" });
  });
});
