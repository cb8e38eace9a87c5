// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { isMeshError } from "@ambientmesh/core";
import { DeltaClient, deltaType, type DeltaTypeStatus, type ResourceType } from "../../src/index.ts";
import { Harness, nodeOf } from "../support/harness.ts";
import { NOTE, TEXT, TextOwner, contentOf, text } from "../support/texts.ts";

const held = (owner: TextOwner): Record<string, string> => Object.fromEntries(owner.texts);
const statusOf = (client: DeltaClient, typeUrl = TEXT): DeltaTypeStatus | undefined =>
  client.status().types.find((type) => type.typeUrl === typeUrl);

describe("a wildcard type", () => {
  it("follows the server: everything, changes, removals", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    store.replaceAll([text("a", "1"), text("b", "1")]);
    mesh.cache.flush();
    const { client, owner } = mesh.client();
    await client.start();
    expect(held(owner)).toEqual({ a: "1", b: "1" });
    store.set(text("a", "2"));
    store.delete("b");
    await mesh.until(() => owner.texts.get("a") === "2" && owner.texts.size === 1);
    expect(owner.history).toEqual(["a=1", "b=1", "a=2", "-b"]);
    expect(mesh.metrics.value("istio_xds_message_total", TEXT)).toBe(2);
    expect(mesh.metrics.value("istio_xds_message_bytes_total", TEXT)).toBe(3);
    expect(client.status()).toMatchObject({ isSynced: true, connection: { isConnected: true } });
  });

  it("is synced by an empty answer", async () => {
    await using mesh = new Harness();
    const { client } = mesh.client();
    await client.start();
    expect(client.isSynced).toBe(true);
  });

  it("tells whoever waits for its start that it was disposed first", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    store.set(text("a", "bad idea"));
    mesh.cache.flush();
    const { client } = mesh.client();
    const started = client.start();
    await mesh.until(() => statusOf(client)?.lastRejected.length === 1);
    await Promise.all([
      client[Symbol.asyncDispose](),
      expect(started).rejects.toMatchObject({ code: "ABORTED", message: expect.stringContaining("disposed") }),
    ]);
  });

  it("applies what is good of a response, rejects the rest by name, and is synced only when all of it was good", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    store.replaceAll([
      text("a", "1"),
      text("b", "bad idea"),
      { name: "c", value: Buffer.from([0xff]) },
      text("d", "1"),
    ]);
    mesh.cache.flush();
    const { client, owner } = mesh.client();
    const started = client.start();
    await mesh.until(() => owner.texts.size === 2);
    await mesh.settle();
    expect(client.isSynced).toBe(false);
    expect(statusOf(client)?.lastRejected.map(({ name }) => name)).toEqual(["c", "b"]);
    const [status] = mesh.server.clients();
    expect(status?.types[0]?.lastNack?.message).toBe(
      "c: The encoded data was not valid for encoding utf-8; b: can't use bad idea",
    );
    expect(mesh.metrics.value("pilot_total_xds_rejects", "Text")).toBe(1);
    store.set(text("b", "good"));
    store.set(text("c", "good"));
    mesh.clock.advance(1000);
    await started;
    expect(held(owner)).toEqual({ a: "1", b: "good", c: "good", d: "1" });
  });

  it("rejects everything of a response whose application throws, and goes on", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    store.set(text("a", "1"));
    mesh.cache.flush();
    let isBroken = true;
    const owner: ResourceType<string> = {
      typeUrl: TEXT,
      decode: String,
      apply() {
        if (isBroken) throw new Error("out of order");
        return [];
      },
    };
    const client = mesh.use(new DeltaClient(mesh.clientDeps(), { node: () => nodeOf(), types: [deltaType(owner)] }));
    const started = client.start();
    await mesh.until(() => mesh.server.clients()[0]?.types[0]?.lastNack?.message === "a: out of order");
    isBroken = false;
    store.set(text("a", "2"));
    mesh.clock.advance(1000);
    await started;
    expect(statusOf(client)?.resources).toBe(1);
  });

  it("after a reconnect is sent what differs, and what it had rejected", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    store.replaceAll([text("same", "1"), text("changes", "1"), text("goes", "1"), text("rejected", "bad")]);
    mesh.cache.flush();
    const { client, owner } = mesh.client();
    const started = client.start();
    await mesh.until(() => owner.texts.size === 3);
    await mesh.settle();
    owner.history.length = 0;
    mesh.server.clients();
    store.set(text("changes", "2"));
    store.delete("goes");
    store.set(text("comes", "1"));
    await mesh.server[Symbol.asyncDispose]();
    mesh.cache.flush();
    await mesh.restart();
    await mesh.until(() => owner.texts.has("comes"));
    await mesh.settle();
    expect(owner.history.toSorted()).toEqual(["-goes", "changes=2", "comes=1"]);
    expect(mesh.server.clients()[0]?.types[0]?.lastNack?.message).toBe("rejected: can't use bad");
    store.delete("rejected");
    mesh.clock.advance(1000);
    await mesh.settle();
    expect(held(owner)).toEqual({ same: "1", changes: "2", comes: "1" });
    await mesh.server[Symbol.asyncDispose]();
    await mesh.restart();
    await started;
  });

  it("claims the version it accepted last, not the one it rejected", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    store.set(text("a", "1"));
    mesh.cache.flush();
    const { client, owner } = mesh.client();
    await client.start();
    store.set(text("a", "bad"));
    await mesh.until(() => mesh.server.clients()[0]?.types[0]?.lastNack !== undefined);
    expect(held(owner)).toEqual({ a: "1" });
    store.set(text("a", "1"));
    mesh.cache.flush();
    await mesh.restart();
    await mesh.until(() => mesh.server.clientCount === 1);
    await mesh.settle();
    // The server is back at the version that the client has all along, so nothing is sent again.
    expect(owner.history.filter((entry) => entry === "a=1").length).toBeLessThanOrEqual(2);
    store.delete("a");
    await mesh.until(() => owner.texts.size === 0);
  });

  it("keeps what it has while the server is away", async () => {
    await using mesh = new Harness();
    mesh.cache.store(TEXT).set(text("a", "1"));
    mesh.cache.flush();
    const { client, owner } = mesh.client();
    await client.start();
    await mesh.server[Symbol.asyncDispose]();
    await mesh.until(() => !client.status().connection.isConnected);
    mesh.clock.advance(60_000);
    await mesh.settle();
    expect(held(owner)).toEqual({ a: "1" });
    expect(client.isSynced).toBe(true);
  });

  it("decodes into memory of its own", async () => {
    await using mesh = new Harness();
    mesh.cache.store(TEXT).set(text("a", "1"));
    mesh.cache.flush();
    const kept: Uint8Array[] = [];
    const owner: ResourceType<Uint8Array> = {
      typeUrl: TEXT,
      decode: (value) => value,
      apply({ upserted }) {
        kept.push(...upserted.map(({ value }) => value));
        return [];
      },
    };
    const client = mesh.use(new DeltaClient(mesh.clientDeps(), { node: () => nodeOf(), types: [deltaType(owner)] }));
    await client.start();
    expect(kept.map(({ buffer }) => buffer.byteLength)).toEqual([1]);
  });
});

describe("several types", () => {
  it("are asked for in order and served in the server's order", async () => {
    await using mesh = new Harness({ maxResponseBytes: 10 });
    for (const name of ["a", "b", "c"]) {
      mesh.cache.store(TEXT).set(text(name, "x".repeat(10)));
      mesh.cache.store(NOTE).set(text(name, "x".repeat(10)));
    }
    mesh.cache.flush();
    const order: string[] = [];
    const typed = (typeUrl: string): ResourceType<string> => ({
      typeUrl,
      decode: String,
      apply({ upserted }) {
        order.push(...upserted.map(({ name }) => `${typeUrl.at(-4)}${name}`));
        return [];
      },
    });
    const types = [deltaType(typed(TEXT)), deltaType(typed(NOTE))];
    const client = mesh.use(new DeltaClient(mesh.clientDeps(), { node: () => nodeOf(), types }));
    await client.start();
    await mesh.settle();
    expect(order).toEqual(["Ta", "Tb", "Tc", "Na", "Nb", "Nc"]);
  });

  it("must all have been accepted before the client is synced", async () => {
    await using mesh = new Harness();
    mesh.cache.store(NOTE).set(text("a", "bad"));
    mesh.cache.flush();
    const [texts, notes] = [new TextOwner(), new TextOwner(NOTE)];
    const types = [deltaType(texts), deltaType(notes)];
    const client = mesh.use(new DeltaClient(mesh.clientDeps(), { node: () => nodeOf(), types }));
    const started = client.start();
    await mesh.until(
      () => statusOf(client, TEXT)?.isSynced === true && statusOf(client, NOTE)?.lastRejected.length === 1,
    );
    expect(client.isSynced).toBe(false);
    mesh.cache.store(NOTE).set(text("a", "good"));
    mesh.clock.advance(10);
    await started;
  });
});

describe("an on-demand type", () => {
  const demand = { timeoutMs: 1000 };

  it("is no part of the initial sync and holds nothing unasked", async () => {
    await using mesh = new Harness();
    mesh.cache.store(TEXT).set(text("a", "1"));
    mesh.cache.flush();
    const { client, owner } = mesh.client("on-demand");
    await client.start();
    await mesh.settle();
    expect(held(owner)).toEqual({});
  });

  it("answers every waiter of a name with one request, and the next ones at once", async () => {
    await using mesh = new Harness();
    mesh.cache.store(TEXT).set(text("pod", "1", { aliases: ["/10.0.0.1"] }));
    mesh.cache.flush();
    const { client, owner } = mesh.client("on-demand");
    await client.start();
    await mesh.settle();
    const waiters = Array.from({ length: 50 }, () => client.demand(TEXT, "/10.0.0.1", demand));
    await mesh.settle();
    expect(new Set(await Promise.all(waiters))).toEqual(new Set(["answered"]));
    expect(held(owner)).toEqual({ pod: "1" });
    expect(mesh.server.clients()[0]?.responsesSent).toBe(2);
    expect(await client.demand(TEXT, "/10.0.0.1", demand)).toBe("answered");
    mesh.cache.store(TEXT).set(text("pod", "2", { aliases: ["/10.0.0.1"] }));
    await mesh.until(() => owner.texts.get("pod") === "2");
  });

  it("is answered about what does not exist, and follows it when it comes", async () => {
    await using mesh = new Harness();
    const { client, owner } = mesh.client("on-demand");
    await client.start();
    const answer = client.demand(TEXT, "x", demand);
    await mesh.settle();
    expect(await answer).toBe("answered");
    expect(held(owner)).toEqual({});
    mesh.cache.store(TEXT).set(text("x", "1"));
    await mesh.until(() => owner.texts.has("x"));
  });

  it("gives up after the timeout or with the caller, and asks again on the next stream", async () => {
    await using mesh = new Harness();
    mesh.cache.store(TEXT).set(text("a", "1"));
    mesh.cache.flush();
    await mesh.server[Symbol.asyncDispose]();
    const { client, owner } = mesh.client("on-demand");
    await client.start();
    const abort = new AbortController();
    const [late, given] = [
      client.demand(TEXT, "a", demand),
      client.demand(TEXT, "a", { ...demand, signal: abort.signal }),
    ];
    abort.abort();
    expect(await given).toBe("aborted");
    mesh.clock.advance(1000);
    expect(await late).toBe("timeout");
    expect(await client.demand(TEXT, "a", { ...demand, signal: abort.signal })).toBe("aborted");
    await mesh.restart();
    await mesh.until(() => owner.texts.has("a"));
    expect(await client.demand(TEXT, "a", demand)).toBe("answered");
  });

  it("keeps its names over a reconnect, with nothing sent twice", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    store.replaceAll([text("a", "1"), text("b", "1"), text("c", "1")]);
    mesh.cache.flush();
    const { client, owner } = mesh.client("on-demand");
    await client.start();
    const answers = ["a", "b", "none"].map((name) => client.demand(TEXT, name, demand));
    await mesh.settle();
    await Promise.all(answers);
    await mesh.restart();
    await mesh.until(() => mesh.server.clientCount === 1);
    store.set(text("b", "2"));
    store.set(text("c", "2"));
    store.set(text("none", "1"));
    await mesh.until(() => owner.texts.has("none"));
    expect(owner.history.filter((entry) => entry !== "-none")).toEqual(["a=1", "b=1", "b=2", "none=1"]);
  });

  it("is bounded: absent names make room, names that exist don't", async () => {
    await using mesh = new Harness();
    mesh.cache.store(TEXT).replaceAll([text("a", "1"), text("b", "1")]);
    mesh.cache.flush();
    const { client } = mesh.client("on-demand", { maxDemandedNames: 2 });
    await client.start();
    const ask = async (name: string): Promise<string> => {
      const answer = client.demand(TEXT, name, demand);
      await mesh.settle();
      return answer;
    };
    expect([await ask("x"), await ask("a"), await ask("b"), await ask("y")]).toEqual([
      "answered",
      "answered",
      "answered",
      "refused",
    ]);
    expect(mesh.server.clients()[0]?.types[0]?.names).toBe(2);
  });

  it("is the only kind that can be demanded of", async () => {
    await using mesh = new Harness();
    const { client } = mesh.client();
    expect(() => client.demand(TEXT, "a", demand)).toThrow('needs mode "on-demand"');
    expect(() => client.demand("other", "a", demand)).toThrow("the client has no type other");
  });
});

describe("a named type", () => {
  it("asks for nothing until it has names, then follows exactly those", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    store.replaceAll([text("a", "1"), text("b", "1"), text("c", "1")]);
    mesh.cache.flush();
    const { client, owner } = mesh.client("named");
    await client.start();
    await mesh.settle();
    expect(mesh.server.clientCount).toBe(0);
    await client.subscribe(TEXT, ["a", "b"]);
    await mesh.until(() => owner.texts.size === 2);
    await client.subscribe(TEXT, ["b", "c"]);
    expect(held(owner)).toEqual({ b: "1" });
    await mesh.until(() => owner.texts.size === 2);
    store.set(text("a", "2"));
    store.set(text("b", "2"));
    await mesh.until(() => owner.texts.get("b") === "2");
    expect(held(owner)).toEqual({ b: "2", c: "1" });
    await mesh.restart();
    await mesh.until(() => mesh.server.clientCount === 1);
    store.set(text("c", "2"));
    await mesh.until(() => owner.texts.get("c") === "2");
    expect(held(owner)).toEqual({ b: "2", c: "2" });
    await client.subscribe(TEXT, []);
    expect(held(owner)).toEqual({});
  });
});

describe("starting and stopping", () => {
  it("gives up with the caller", async () => {
    await using mesh = new Harness();
    await mesh.server[Symbol.asyncDispose]();
    const { client } = mesh.client();
    const abort = new AbortController();
    const started = client.start(abort.signal);
    await mesh.settle();
    abort.abort();
    await expect(started).rejects.toSatisfy((error) => isMeshError(error, "ABORTED"));
    expect(mesh.clock.timerCount).toBeLessThanOrEqual(1);
  });

  it("may be stopped twice, and leaves the server", async () => {
    await using mesh = new Harness();
    const { client } = mesh.client();
    await client.start();
    expect(mesh.server.clientCount).toBe(1);
    await client[Symbol.asyncDispose]();
    await client[Symbol.asyncDispose]();
    await mesh.settle();
    expect(mesh.server.clientCount).toBe(0);
    expect(mesh.cache.store(TEXT).publish()).toBe(false);
  });

  test("a server that ends every stream at once is met with growing delays, never a hot loop", async () => {
    await using mesh = new Harness();
    await mesh.server[Symbol.asyncDispose]();
    const { client } = mesh.client();
    const abort = new AbortController();
    const started = client.start(abort.signal).catch(() => {});
    const endings = (): number => mesh.metrics.value("istio_xds_connection_terminations_total", "Error");
    for (let step = 0; step < 600; step++) {
      mesh.clock.advance(100);
      await mesh.settle();
    }
    // A minute: 20 ms doubling to 15 s.
    expect(endings()).toBeGreaterThan(8);
    expect(endings()).toBeLessThan(16);
    abort.abort();
    await started;
  });
});

test("what the cache holds is what a client holds, for the record", async () => {
  await using mesh = new Harness();
  mesh.cache.store(TEXT).replaceAll([text("a", "1"), text("b", "2")]);
  mesh.cache.flush();
  const { client, owner } = mesh.client();
  await client.start();
  expect(held(owner)).toEqual(contentOf(mesh.cache.store(TEXT)));
});
