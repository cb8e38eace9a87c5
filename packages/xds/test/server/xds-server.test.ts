// SPDX-License-Identifier: Apache-2.0
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  DeltaDiscoveryRequestSchema,
  NodeSchema,
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
} from "@ambientmesh/api/discovery";
import { isMeshError } from "@ambientmesh/core";
import { describe, expect, it, test } from "vitest";
import {
  DELTA_METHOD,
  GRPC_STATUS,
  ResourceStore,
  XdsServer,
  type Authenticate,
  type ResourceFeed,
  type ResourceSource,
  type SubscriptionInfo,
  type XdsCall,
} from "../../src/index.ts";
import { Harness, anybody, nodeOf } from "../support/harness.ts";
import { NOTE, TEXT, readable, text, type ReadResponse } from "../support/texts.ts";

type Call = XdsCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

const request = (init: MessageInitShape<typeof DeltaDiscoveryRequestSchema>): DeltaDiscoveryRequest =>
  create(DeltaDiscoveryRequestSchema, init);
const first = (typeUrl = TEXT): DeltaDiscoveryRequest => request({ typeUrl, node: nodeOf() });

/** A client without any logic. */
class RawClient {
  readonly call: Call;
  readonly #responses: AsyncIterator<DeltaDiscoveryResponse>;

  private constructor(call: Call) {
    this.call = call;
    this.#responses = call[Symbol.asyncIterator]();
  }

  static async open(mesh: Harness, authenticate: Authenticate<string> = anybody): Promise<RawClient> {
    return new RawClient(await mesh.transport(authenticate).open(DELTA_METHOD));
  }

  send(message: DeltaDiscoveryRequest): Promise<void> {
    return this.call.send(message);
  }

  async read(): Promise<ReadResponse> {
    const next = await this.#responses.next();
    if (next.done) throw new Error("the stream ended");
    return readable(next.value);
  }

  /** The status and message with which the server ends the stream. */
  async ended(): Promise<[unknown, unknown]> {
    try {
      while (!(await this.#responses.next()).done);
      return [GRPC_STATUS.OK, ""];
    } catch (error) {
      if (!isMeshError(error, "XDS_STREAM_ENDED")) throw error;
      return [error.details["status"], error.details["message"]];
    }
  }
}

describe("a new stream", () => {
  it("is refused before the server is ready", async () => {
    await using mesh = new Harness();
    const server = new XdsServer<string>({ clock: mesh.clock }, { types: [] });
    mesh.server = server;
    expect(await (await RawClient.open(mesh)).ended()).toEqual([GRPC_STATUS.UNAVAILABLE, "the server is starting"]);
    server.markReady();
    const client = await RawClient.open(mesh);
    await client.send(first());
    await mesh.settle();
    expect(server.clientCount).toBe(1);
  });

  it("is refused while the server drains, and those that are open are told", async () => {
    await using mesh = new Harness();
    const open = await RawClient.open(mesh);
    await open.send(first());
    await open.read();
    await mesh.server.drain();
    expect(await open.ended()).toEqual([GRPC_STATUS.UNAVAILABLE, "the server is draining, transport is closing"]);
    expect(await (await RawClient.open(mesh)).ended()).toEqual([GRPC_STATUS.UNAVAILABLE, "the server is draining"]);
  });

  it("waits its turn when many come at once, or is refused", async () => {
    await using mesh = new Harness({ newStreams: { perSecond: 2 } });
    const clients = await Promise.all(Array.from({ length: 5 }, () => RawClient.open(mesh)));
    for (const client of clients) await client.send(first());
    await mesh.settle();
    expect(mesh.server.clientCount).toBe(2);
    expect(await clients[4]?.ended()).toEqual([
      GRPC_STATUS.RESOURCE_EXHAUSTED,
      "too many new streams, try again later",
    ]);
    mesh.clock.advance(1000);
    await mesh.settle();
    expect(mesh.server.clientCount).toBe(4);
  });

  it("needs an identity; the reason why there is none stays inside", async () => {
    await using mesh = new Harness();
    const refuse: Authenticate<string> = () => ({ outcome: "refused", reason: "token of the wrong audience" });
    const client = await RawClient.open(mesh, refuse);
    await client.send(first());
    expect(await client.ended()).toEqual([GRPC_STATUS.UNAUTHENTICATED, "authentication failure"]);
    expect(mesh.log.records.at(-1)?.fields).toMatchObject({ reason: "token of the wrong audience" });
  });

  it("fails closed when the authenticator itself fails", async () => {
    await using mesh = new Harness();
    const broken: Authenticate<string> = () => Promise.reject(new Error("no API server"));
    const client = await RawClient.open(mesh, broken);
    expect(await client.ended()).toEqual([GRPC_STATUS.INTERNAL, "admitting the stream failed"]);
  });

  it("hands metadata to the authenticator and its result to the authoriser", async () => {
    const seen: unknown[] = [];
    await using mesh = new Harness({
      authorize: ({ node, identity }) => {
        seen.push(node.id, identity);
        return { outcome: "denied", reason: `${identity} is not ${node.id}` };
      },
    });
    const client = await RawClient.open(mesh, (call) => {
      seen.push(call.metadata("authorization"), call.peerCertificate, call.peerAddress);
      return { outcome: "authenticated", identity: "me" };
    });
    await client.send(request({ typeUrl: TEXT, node: nodeOf("you") }));
    expect(await client.ended()).toEqual([GRPC_STATUS.PERMISSION_DENIED, "me is not you"]);
    expect(seen).toEqual([undefined, undefined, "memory", "you", "me"]);
  });

  it.each([
    ["no node", request({ typeUrl: TEXT }), "the first request needs a node with an id"],
    ["a node without id", request({ typeUrl: TEXT, node: {} }), "the first request needs a node with an id"],
    ["no type", request({ node: nodeOf() }), "a request on an aggregated stream needs a type_url"],
    [
      "a huge node",
      request({ typeUrl: TEXT, node: create(NodeSchema, { id: "x".repeat(300_000) }) }),
      "the node of a request is larger than 262144 bytes",
    ],
  ])("with %s is refused", async (_, message, reason) => {
    await using mesh = new Harness();
    const client = await RawClient.open(mesh);
    await client.send(message);
    expect(await client.ended()).toEqual([GRPC_STATUS.INVALID_ARGUMENT, reason]);
  });

  it("on which nothing comes is ended", async () => {
    await using mesh = new Harness({ firstRequestTimeoutMs: 500 });
    const client = await RawClient.open(mesh);
    await mesh.settle();
    mesh.clock.advance(500);
    expect(await client.ended()).toEqual([GRPC_STATUS.DEADLINE_EXCEEDED, "no request came"]);
  });

  it("that the client gives up while it waits leaves nothing behind", async () => {
    await using mesh = new Harness({ newStreams: { perSecond: 1 } });
    const clients = await Promise.all([RawClient.open(mesh), RawClient.open(mesh)]);
    await clients[1].send(first());
    clients[1].call.close();
    mesh.clock.advance(2000);
    await mesh.settle();
    expect(mesh.server.clientCount).toBe(0);
  });
});

describe("an open stream", () => {
  it("sends the node once; later requests need none", async () => {
    await using mesh = new Harness();
    mesh.cache.store(NOTE).set(text("a", "1"));
    mesh.cache.flush();
    const client = await RawClient.open(mesh);
    await client.send(first());
    await client.send(request({ typeUrl: NOTE }));
    expect((await client.read()).texts).toEqual({});
    expect((await client.read()).texts).toEqual({ a: "1" });
  });

  it("ignores types that are not served, and says so", async () => {
    await using mesh = new Harness();
    const client = await RawClient.open(mesh);
    await client.send(first("type.googleapis.com/unknown.Type"));
    await client.send(first());
    expect((await client.read()).texts).toEqual({});
    expect(mesh.log.events("warn")).toEqual(["a client asks for a type that is not served"]);
  });

  it("is ended when it asks for too many names", async () => {
    await using mesh = new Harness({ maxNamesPerType: 2 });
    const client = await RawClient.open(mesh);
    await client.send(request({ typeUrl: TEXT, node: nodeOf(), resourceNamesSubscribe: ["a", "b", "c"] }));
    expect(await client.ended()).toEqual([
      GRPC_STATUS.RESOURCE_EXHAUSTED,
      `the client asks for more than 2 names of ${TEXT}`,
    ]);
  });

  it("is cut when the client does not read; others are not concerned", async () => {
    await using mesh = new Harness({ writeTimeoutMs: 1000 });
    const store = mesh.cache.store(TEXT);
    store.set(text("a", "0"));
    mesh.cache.flush();
    const [stuck, fine] = [await RawClient.open(mesh), await RawClient.open(mesh)];
    await stuck.send(first());
    await fine.send(first());
    await mesh.settle();
    for (let round = 1; round <= 8; round++) {
      expect((await fine.read()).texts).toEqual({ a: `${round - 1}` });
      store.set(text("a", `${round}`));
      mesh.clock.advance(100);
      await mesh.settle();
    }
    const [blocked] = mesh.server.clients();
    expect(blocked).toMatchObject({ responsesSent: 1, blockedMs: 800 });
    expect((await fine.read()).texts).toEqual({ a: "8" });
    mesh.clock.advance(250);
    await mesh.settle();
    expect(mesh.server.clientCount).toBe(1);
    expect(mesh.metrics.value("pilot_xds_write_timeout")).toBe(1);
    expect(mesh.log.events("warn")).toEqual(["disconnecting a client that does not read"]);
    expect(await stuck.ended()).toEqual([GRPC_STATUS.UNAVAILABLE, "Connection dropped"]);
  });

  it("that read nothing for a while gets what it missed merged", async () => {
    await using mesh = new Harness();
    const store = mesh.cache.store(TEXT);
    const client = await RawClient.open(mesh);
    await client.send(first());
    await mesh.settle();
    for (let round = 0; round < 50; round++) {
      store.set(text("a", `${round}`));
      store.set(text(`n${round}`, "1"));
      mesh.clock.advance(1);
      await mesh.settle();
    }
    expect((await client.read()).texts).toEqual({});
    const { texts } = await client.read();
    expect(Object.keys(texts)).toHaveLength(51);
    expect(texts["a"]).toBe("49");
    expect(mesh.server.clients()[0]?.responsesSent).toBe(2);
  });

  it("shows on debug pages what was sent, acknowledged and rejected", async () => {
    await using mesh = new Harness();
    mesh.cache.store(TEXT).set(text("a", "1"));
    mesh.cache.flush();
    const client = await RawClient.open(mesh);
    await client.send(first());
    const { nonce } = await client.read();
    await client.send(request({ typeUrl: TEXT, responseNonce: nonce, errorDetail: { code: 3, message: "a: bad" } }));
    await mesh.settle();
    const [status] = mesh.server.clients();
    expect(status).toMatchObject({
      client: { node: { id: nodeOf().id }, identity: "anybody", peerAddress: "memory", protocol: "delta" },
      responsesSent: 1,
      blockedMs: 0,
      types: [{ typeUrl: TEXT, isCurrent: true, outstanding: 0, lastSent: nonce, lastNack: { message: "a: bad" } }],
    });
    expect(status?.bytesSent).toBeGreaterThan(0);
    expect(mesh.metrics.value("pilot_xds_pushes", "Text")).toBe(1);
    expect(mesh.metrics.value("pilot_total_xds_rejects", "Text")).toBe(1);
  });

  it("counts clients by version while they are connected", async () => {
    await using mesh = new Harness();
    const node = create(NodeSchema, { id: "n", metadata: { ISTIO_VERSION: "1.31.0" } });
    const client = await RawClient.open(mesh);
    await client.send(request({ typeUrl: TEXT, node }));
    await client.read();
    expect(mesh.metrics.value("pilot_xds", "1.31.0")).toBe(1);
    client.call.close();
    await mesh.settle();
    expect(mesh.metrics.values.has("pilot_xds 1.31.0")).toBe(false);
  });
});

test("a drain is spread over time", async () => {
  await using mesh = new Harness();
  const clients = await Promise.all(Array.from({ length: 4 }, () => RawClient.open(mesh)));
  for (const client of clients) await client.send(first());
  await mesh.settle();
  const draining = mesh.server.drain({ spreadMs: 1000 });
  const counts: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    await mesh.settle();
    counts.push(mesh.server.clientCount);
    mesh.clock.advance(250);
  }
  await draining;
  expect(counts).toEqual([3, 2, 1, 0]);
});

describe("a generated source", () => {
  /** Greets each node by name, in the languages it asks for. */
  class Greetings implements ResourceSource {
    readonly open_: Set<ResourceStore> = new Set();

    open(client: { node: { id: string } }): ResourceFeed {
      const store = new ResourceStore(TEXT);
      this.open_.add(store);
      return {
        view: store,
        subscribed: (subscription: SubscriptionInfo) => {
          store.replaceAll([...subscription.names].map((name) => text(name, `${name}, ${client.node.id}`)));
          store.publish();
        },
        [Symbol.dispose]: () => void this.open_.delete(store),
      };
    }
  }

  it("is opened per client, told what the client asks for, and disposed with it", async () => {
    const source = new Greetings();
    await using mesh = new Harness({ types: [{ typeUrl: TEXT, source }] });
    const [ann, bob] = [await RawClient.open(mesh), await RawClient.open(mesh)];
    await ann.send(request({ typeUrl: TEXT, node: nodeOf("ann"), resourceNamesSubscribe: ["hello"] }));
    await bob.send(request({ typeUrl: TEXT, node: nodeOf("bob"), resourceNamesSubscribe: ["hola"] }));
    expect((await ann.read()).texts).toEqual({ hello: "hello, ann" });
    expect((await bob.read()).texts).toEqual({ hola: "hola, bob" });
    await ann.send(request({ typeUrl: TEXT, resourceNamesSubscribe: ["salut"] }));
    expect((await ann.read()).texts).toEqual({ salut: "salut, ann" });
    ann.call.close();
    await mesh.settle();
    expect(source.open_.size).toBe(1);
  });

  it("that fails ends the stream of that client only", async () => {
    const source: ResourceSource = {
      open: () => {
        throw new Error("no such waypoint");
      },
    };
    await using mesh = new Harness({ types: [{ typeUrl: TEXT, source }] });
    const client = await RawClient.open(mesh);
    await client.send(first());
    expect(await client.ended()).toEqual([GRPC_STATUS.INTERNAL, "taking a request failed: no such waypoint"]);
    expect(mesh.metrics.value("pilot_total_xds_internal_errors")).toBe(1);
    expect(mesh.server.clientCount).toBe(0);
  });
});
