// SPDX-License-Identifier: Apache-2.0
import { DeltaDiscoveryRequestSchema, type DeltaDiscoveryRequest } from "@ambientmesh/api/discovery";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it, test } from "vitest";
import { ResourceStore } from "../../src/index.ts";
import type { DeltaPlan } from "../../src/server/delta-plan.ts";
import { DeltaSubscription, type DeltaSubscriptionOptions } from "../../src/server/delta-subscription.ts";
import { SharedPlans } from "../../src/server/shared-plans.ts";
import { TEXT, readDelta, text, type ReadResponse } from "../support/texts.ts";

type RequestInit = MessageInitShape<typeof DeltaDiscoveryRequestSchema>;

const request = (init: RequestInit): DeltaDiscoveryRequest =>
  create(DeltaDiscoveryRequestSchema, { typeUrl: TEXT, ...init });

let store: ResourceStore;
let shared: SharedPlans<DeltaPlan>;

function open(init: RequestInit, options: Partial<DeltaSubscriptionOptions> = {}): DeltaSubscription {
  const subscription = new DeltaSubscription({
    view: store,
    shared,
    maxResponseBytes: 1 << 20,
    implicitNames: [],
    onChanged: () => {},
    ...options,
  });
  store.attach(subscription);
  subscription.receive(request(init), 0);
  return subscription;
}

/** Sends all that the subscription wants to send now. */
function drain(subscription: DeltaSubscription): ReadResponse[] {
  const responses: ReadResponse[] = [];
  for (let turn = 0; turn < 10_000; turn++) {
    const step = subscription.next(store.head);
    if (step.kind === "idle") return responses;
    if (step.kind === "response") responses.push(readDelta(step.send()));
  }
  throw new Error("the subscription never gets idle");
}

const publish = (changes: Record<string, string | undefined>): void => {
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) store.delete(name);
    else store.set(text(name, value));
  }
  store.publish();
};
const version = (name: string): string => store.get(name)?.version ?? "";
const contents = (responses: readonly ReadResponse[]): Pick<ReadResponse, "texts" | "removed">[] =>
  responses.map(({ texts, removed }) => ({ texts, removed }));

beforeEach(() => {
  store = new ResourceStore(TEXT);
  shared = new SharedPlans(1 << 20);
  publish({ a: "1", b: "1" });
});

describe("a wildcard client", () => {
  it("gets everything once, then what changes", () => {
    const client = open({});
    expect(contents(drain(client))).toEqual([{ texts: { a: "1", b: "1" }, removed: [] }]);
    expect(drain(client)).toEqual([]);
    publish({ a: "2", b: undefined, c: "1" });
    expect(contents(drain(client))).toEqual([{ texts: { a: "2", c: "1" }, removed: ["b"] }]);
  });

  it("is answered even when there is nothing", () => {
    store = new ResourceStore(TEXT);
    expect(contents(drain(open({})))).toEqual([{ texts: {}, removed: [] }]);
  });

  it.each([
    ["no names", {}],
    ["the name *", { resourceNamesSubscribe: ["*"] }],
    ["* and others", { resourceNamesSubscribe: ["*", "a"] }],
  ])("is one that begins with %s", (_, init) => {
    const [first] = drain(open(init));
    expect(first?.texts).toEqual({ a: "1", b: "1" });
  });

  it("never hears of what was removed before it came", () => {
    publish({ b: undefined });
    expect(contents(drain(open({})))).toEqual([{ texts: { a: "1" }, removed: [] }]);
  });

  it("gets changes that happened while it did not read merged, each name once", () => {
    const client = open({});
    drain(client);
    publish({ a: "2" });
    publish({ a: "3", c: "1" });
    publish({ c: undefined, d: "1" });
    expect(contents(drain(client))).toEqual([{ texts: { a: "3", d: "1" }, removed: ["c"] }]);
  });

  it("shares the encoded bytes with clients in the same state", () => {
    const [one, two] = [open({}), open({})];
    const send = (client: DeltaSubscription): Uint8Array | undefined => {
      const step = client.next(store.head);
      return step.kind === "response" ? step.send() : undefined;
    };
    expect(send(one)).toBe(send(two));
    publish({ a: "2" });
    const bytes = send(one);
    expect(bytes).toBe(send(two));
    expect(bytes).not.toBe(undefined);
  });

  it("does not get aliases", () => {
    store.set(text("c", "1", { aliases: ["/10.0.0.1"] }));
    store.publish();
    expect(drain(open({}))[0]?.aliases).toEqual({});
  });

  it("gets big states in several responses, each below the limit, each name once", () => {
    for (let at = 0; at < 100; at++) store.set(text(`n${at}`, "x".repeat(100)));
    store.publish();
    const responses = drain(open({}, { maxResponseBytes: 1000 }));
    expect(responses.length).toBeGreaterThan(10);
    expect(responses.flatMap(({ texts }) => Object.keys(texts)).toSorted()).toEqual([...store.names()].toSorted());
    expect(new Set(responses.map(({ nonce }) => nonce)).size).toBe(responses.length);
  });

  it("gets a resource above the limit in a response of its own", () => {
    publish({ big: "x".repeat(5000) });
    const responses = drain(open({}, { maxResponseBytes: 1000 }));
    expect(responses.map(({ texts }) => Object.keys(texts))).toEqual([["a", "b"], ["big"]]);
  });

  it("that is in the middle of a big state gets changes of what it has and of what it has not yet", () => {
    const client = open({}, { maxResponseBytes: 1 });
    const step = client.next(store.head);
    if (step.kind === "response") step.send();
    publish({ a: "2", b: undefined });
    expect(contents(drain(client))).toEqual([
      { texts: { a: "2" }, removed: [] },
      { texts: {}, removed: ["b"] },
    ]);
  });

  test.each<[string, RequestInit, { texts: Record<string, string>; removed: string[] }]>([
    ["gives it up and it exists", { resourceNamesUnsubscribe: ["a"] }, { texts: { a: "1" }, removed: [] }],
    ["gives it up and it does not exist", { resourceNamesUnsubscribe: ["x"] }, { texts: {}, removed: ["x"] }],
    ["asks for it although it has it", { resourceNamesSubscribe: ["a"] }, { texts: { a: "1" }, removed: [] }],
    ["asks for *", { resourceNamesSubscribe: ["*"] }, { texts: {}, removed: [] }],
  ])("is answered about a name when it %s", (_, init, answer) => {
    const client = open({});
    drain(client);
    client.receive(request(init), 0);
    expect(contents(drain(client))).toEqual([answer]);
  });

  it("that names what it wants instead is told of nothing else", () => {
    const client = open({});
    drain(client);
    client.receive(request({ resourceNamesSubscribe: ["a"], resourceNamesUnsubscribe: ["*"] }), 0);
    expect(contents(drain(client))).toEqual([{ texts: { a: "1" }, removed: [] }]);
    publish({ a: "2", b: "2", c: "1" });
    expect(contents(drain(client))).toEqual([{ texts: { a: "2" }, removed: [] }]);
  });
});

describe("a wildcard client that comes back", () => {
  it("gets only what differs from what it claims, and what is gone", () => {
    const claims = { a: version("a"), b: "older", gone: "1" };
    expect(contents(drain(open({ initialResourceVersions: claims })))).toEqual([
      { texts: { b: "1" }, removed: ["gone"] },
    ]);
  });

  it("gets an empty answer if nothing differs", () => {
    const claims = { a: version("a"), b: version("b") };
    const client = open({ initialResourceVersions: claims });
    expect(contents(drain(client))).toEqual([{ texts: {}, removed: [] }]);
    publish({ b: "2" });
    expect(contents(drain(client))).toEqual([{ texts: { b: "2" }, removed: [] }]);
  });

  it("is not fooled by names of JavaScript's own", () => {
    publish({ constructor: "1", __proto__x: "1", toString: "1" });
    const [answer] = drain(open({ initialResourceVersions: { a: version("a"), b: version("b") } }));
    expect(Object.keys(answer?.texts ?? {}).toSorted()).toEqual(["__proto__x", "constructor", "toString"]);
  });

  it("with a large claim is worked on in steps, between which others get their turn", () => {
    for (let at = 0; at < 20_000; at++) store.set(text(`n${at}`, "x"));
    store.publish();
    const claims = Object.fromEntries([...store.resources()].map((each) => [each.name, each.version]));
    const client = open({ initialResourceVersions: { ...claims, gone: "1" } });
    const kinds: string[] = [];
    for (let kind = ""; kind !== "idle"; kinds.push(kind)) {
      const step = client.next(store.head);
      ({ kind } = step);
      if (step.kind === "response") step.send();
    }
    expect(kinds.filter((kind) => kind === "yield").length).toBeGreaterThan(4);
    expect(kinds.filter((kind) => kind === "response")).toHaveLength(1);
  });
});

const ON_DEMAND = { resourceNamesSubscribe: ["*"], resourceNamesUnsubscribe: ["*"] };

describe("an on-demand client", () => {
  it("begins with an empty answer and hears of nothing it did not ask for", () => {
    const client = open(ON_DEMAND);
    expect(contents(drain(client))).toEqual([{ texts: {}, removed: [] }]);
    publish({ a: "2", c: "1" });
    expect(drain(client)).toEqual([]);
  });

  it("gets what it asks for, then its changes and its removal", () => {
    const client = open(ON_DEMAND);
    drain(client);
    client.receive(request({ resourceNamesSubscribe: ["a"] }), 0);
    expect(contents(drain(client))).toEqual([{ texts: { a: "1" }, removed: [] }]);
    publish({ a: "2", b: "2" });
    expect(contents(drain(client))).toEqual([{ texts: { a: "2" }, removed: [] }]);
    publish({ a: undefined });
    expect(contents(drain(client))).toEqual([{ texts: {}, removed: ["a"] }]);
    publish({ a: "3" });
    expect(contents(drain(client))).toEqual([{ texts: { a: "3" }, removed: [] }]);
  });

  it("is told at once that a name does not exist, and of the day it does", () => {
    const client = open(ON_DEMAND);
    drain(client);
    client.receive(request({ resourceNamesSubscribe: ["x", "y"] }), 0);
    expect(contents(drain(client))).toEqual([{ texts: {}, removed: ["x", "y"] }]);
    publish({ x: "1" });
    expect(contents(drain(client))).toEqual([{ texts: { x: "1" }, removed: [] }]);
  });

  it("finds by alias, with the aliases attached, and keeps what it found", () => {
    store.set(text("pod", "1", { aliases: ["/10.0.0.1", "net/10.0.0.1"] }));
    store.publish();
    const client = open(ON_DEMAND);
    drain(client);
    client.receive(request({ resourceNamesSubscribe: ["/10.0.0.1"] }), 0);
    const [found] = drain(client);
    expect(found).toMatchObject({
      texts: { pod: "1" },
      removed: [],
      aliases: { pod: ["/10.0.0.1", "net/10.0.0.1"] },
    });
    // The address moved: the old owner's change and the new owner both concern the client.
    store.set(text("pod", "2", { aliases: ["/10.0.0.2"] }));
    store.set(text("other", "1", { aliases: ["/10.0.0.1"] }));
    store.publish();
    expect(contents(drain(client))).toEqual([{ texts: { pod: "2", other: "1" }, removed: [] }]);
    publish({ pod: undefined });
    expect(contents(drain(client))).toEqual([{ texts: {}, removed: ["pod"] }]);
  });

  it("finds groups by key, without the key on the wire", () => {
    store.set(text("ns/web", "service"));
    store.set(text("pod", "workload", { keys: ["ns/web"] }));
    store.publish();
    const client = open(ON_DEMAND);
    drain(client);
    client.receive(request({ resourceNamesSubscribe: ["ns/web"] }), 0);
    const [found] = drain(client);
    expect(found).toMatchObject({ texts: { "ns/web": "service", pod: "workload" }, aliases: {} });
    store.set(text("pod-2", "workload", { keys: ["ns/web"] }));
    store.publish();
    expect(contents(drain(client))).toEqual([{ texts: { "pod-2": "workload" }, removed: [] }]);
  });

  it("gets implicit names without asking, and no word if they are empty", () => {
    store.set(text("pod", "1", { keys: ["node/x"] }));
    store.publish();
    const client = open(ON_DEMAND, { implicitNames: ["node/x", "node/empty"] });
    expect(contents(drain(client))).toEqual([{ texts: { pod: "1" }, removed: [] }]);
    store.set(text("pod-2", "1", { keys: ["node/x"] }));
    store.delete("pod");
    store.publish();
    expect(contents(drain(client))).toEqual([{ texts: { "pod-2": "1" }, removed: ["pod"] }]);
    expect(client.status().names).toBe(0);
  });

  it("hears no more of a name it gave up", () => {
    const client = open(ON_DEMAND);
    drain(client);
    client.receive(request({ resourceNamesSubscribe: ["a", "b"] }), 0);
    drain(client);
    client.receive(request({ resourceNamesUnsubscribe: ["a"] }), 0);
    expect(contents(drain(client))).toEqual([{ texts: {}, removed: [] }]);
    publish({ a: "2", b: "2" });
    expect(contents(drain(client))).toEqual([{ texts: { b: "2" }, removed: [] }]);
  });

  it("is subscribed to what it claims when it comes back, even without a version", () => {
    const claims = { a: version("a"), b: "", gone: "1", never: "" };
    const client = open({ ...ON_DEMAND, initialResourceVersions: claims });
    expect(contents(drain(client))).toEqual([{ texts: { b: "1" }, removed: ["gone", "never"] }]);
    publish({ a: "2", b: "2", c: "2" });
    expect(contents(drain(client))).toEqual([{ texts: { a: "2", b: "2" }, removed: [] }]);
  });

  it("is told that what it came back with was removed while its answer was under way", () => {
    const claims = { a: "older", b: "older" };
    const client = open({ ...ON_DEMAND, initialResourceVersions: claims }, { maxResponseBytes: 1 });
    const step = client.next(store.head);
    if (step.kind === "response") step.send();
    publish({ b: undefined });
    expect(contents(drain(client))).toEqual([{ texts: {}, removed: ["b"] }]);
  });

  it("that wants everything after all gets it, and the removal it had not read yet", () => {
    const client = open(ON_DEMAND);
    client.receive(request({ resourceNamesSubscribe: ["a"] }), 0);
    drain(client);
    publish({ a: undefined });
    client.receive(request({ resourceNamesSubscribe: ["*"] }), 0);
    expect(contents(drain(client))).toEqual([{ texts: { b: "1" }, removed: ["a"] }]);
  });

  it("gets a group that is larger than a response in several", () => {
    const members = Array.from({ length: 50 }, (_, at) => `n${at}`);
    for (const name of members) store.set(text(name, "x".repeat(100), { aliases: ["group"] }));
    store.publish();
    const client = open({ resourceNamesSubscribe: ["group"] }, { maxResponseBytes: 1000 });
    const responses = drain(client);
    expect(responses.length).toBeGreaterThan(4);
    expect(responses.flatMap(({ texts }) => Object.keys(texts))).toEqual(members);
  });

  it("splits large answers", () => {
    const wanted = Array.from({ length: 50 }, (_, at) => `n${at}`);
    for (const name of wanted) store.set(text(name, "x".repeat(100)));
    store.publish();
    const client = open({ resourceNamesSubscribe: wanted }, { maxResponseBytes: 1000 });
    const responses = drain(client);
    expect(responses.length).toBeGreaterThan(4);
    expect(responses.flatMap(({ texts }) => Object.keys(texts))).toEqual(wanted);
  });
});

describe("verdicts", () => {
  it.each([
    ["acknowledged", {}, "ack"],
    ["rejected", { errorDetail: { message: "a: why" } }, "nack"],
  ])("a response is %s once; the same nonce again is stale", (_, more, verdict) => {
    const client = open({});
    const [{ nonce: responseNonce }] = drain(client) as [ReadResponse];
    expect(client.receive(request({ responseNonce, ...more }), 5)).toMatchObject({ verdict, hasChanged: false });
    expect(client.receive(request({ responseNonce, ...more }), 6)).toMatchObject({ verdict: "stale" });
    expect(drain(client)).toEqual([]);
  });

  it("shows the last of each kind", () => {
    const client = open({});
    const [first] = drain(client) as [ReadResponse];
    client.receive(request({ responseNonce: first.nonce }), 5);
    publish({ a: "2" });
    const [second] = drain(client) as [ReadResponse];
    expect(client.status()).toMatchObject({ outstanding: 1, isCurrent: true, lastSent: second.nonce });
    client.receive(request({ responseNonce: second.nonce, errorDetail: { code: 3, message: "a: why" } }), 7);
    expect(client.status()).toEqual({
      typeUrl: TEXT,
      isWildcard: true,
      names: 0,
      isCurrent: true,
      outstanding: 0,
      lastSent: second.nonce,
      lastAcked: { nonce: first.nonce, at: 5 },
      lastNack: { nonce: second.nonce, code: 3, message: "a: why", at: 7 },
    });
  });

  it("a rejected resource is sent again when it changes, not before", () => {
    const client = open({});
    const [{ nonce: responseNonce }] = drain(client) as [ReadResponse];
    client.receive(request({ responseNonce, errorDetail: { message: "a: why" } }), 0);
    expect(drain(client)).toEqual([]);
    publish({ a: "2" });
    expect(contents(drain(client))).toEqual([{ texts: { a: "2" }, removed: [] }]);
  });

  it("names count even beside a stale nonce, since they are never sent again", () => {
    const client = open(ON_DEMAND);
    drain(client);
    const received = client.receive(request({ responseNonce: "never sent", resourceNamesSubscribe: ["a"] }), 0);
    expect(received).toEqual({ verdict: "stale", hasChanged: true, names: 1 });
    expect(contents(drain(client))).toEqual([{ texts: { a: "1" }, removed: [] }]);
  });

  it("remembers a bounded number of responses of a client that never answers", () => {
    const client = open({});
    for (let round = 0; round < 500; round++) {
      publish({ a: `${round}x` });
      drain(client);
    }
    expect(client.status().outstanding).toBe(64);
  });
});
