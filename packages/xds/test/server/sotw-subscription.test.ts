// SPDX-License-Identifier: Apache-2.0
import { DiscoveryRequestSchema, DiscoveryResponseSchema, type DiscoveryRequest } from "@ambientmesh/api/discovery";
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { beforeEach, describe, expect, it } from "vitest";
import { ResourceStore } from "../../src/index.ts";
import { SharedPlans } from "../../src/server/shared-plans.ts";
import { SotwSubscription, type SotwPlan } from "../../src/server/sotw-subscription.ts";
import { TEXT, text } from "../support/texts.ts";

type RequestInit = MessageInitShape<typeof DiscoveryRequestSchema>;
interface Answer {
  readonly nonce: string;
  readonly version: string;
  readonly texts: string[];
}

const request = (init: RequestInit): DiscoveryRequest => create(DiscoveryRequestSchema, { typeUrl: TEXT, ...init });

let store: ResourceStore;
let shared: SharedPlans<SotwPlan>;

function open(init: RequestInit): SotwSubscription {
  const subscription = new SotwSubscription({ view: store, shared, onChanged: () => {} });
  store.attach(subscription);
  subscription.receive(request(init), 0);
  return subscription;
}

function drain(subscription: SotwSubscription): Answer[] {
  const answers: Answer[] = [];
  for (let turn = 0; turn < 100; turn++) {
    const step = subscription.next(store.head);
    if (step.kind === "idle") return answers;
    if (step.kind === "response") {
      const { nonce, versionInfo, resources } = fromBinary(DiscoveryResponseSchema, step.send());
      const texts = resources.map(({ value }) => Buffer.from(value).toString());
      answers.push({ nonce, version: versionInfo, texts: texts.toSorted() });
    }
  }
  throw new Error("the subscription never gets idle");
}

const texts = (answers: readonly Answer[]): string[][] => answers.map((answer) => answer.texts);

const publish = (changes: Record<string, string | undefined>): void => {
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) store.delete(name);
    else store.set(text(name, `${name}${value}`));
  }
  store.publish();
};

beforeEach(() => {
  store = new ResourceStore(TEXT);
  shared = new SharedPlans(1 << 20);
  publish({ a: "1", b: "1" });
});

describe("a wildcard client", () => {
  it("gets everything, and everything again at each change", () => {
    const client = open({});
    expect(texts(drain(client))).toEqual([["a1", "b1"]]);
    publish({ a: "2" });
    expect(texts(drain(client))).toEqual([["a2", "b1"]]);
    publish({ b: undefined });
    expect(texts(drain(client))).toEqual([["a2"]]);
    expect(drain(client)).toEqual([]);
  });

  it("stays one when it acknowledges with an empty list", () => {
    const client = open({});
    const [{ nonce, version }] = drain(client) as [Answer];
    const received = client.receive(request({ responseNonce: nonce, versionInfo: version }), 3);
    expect(received).toEqual({ verdict: "ack", hasChanged: false, names: 0 });
    expect(client.status()).toMatchObject({ isWildcard: true, lastAcked: { nonce, at: 3 } });
  });

  it("is answered although it brings a nonce of an older stream", () => {
    expect(texts(drain(open({ responseNonce: "older", versionInfo: "7" })))).toEqual([["a1", "b1"]]);
  });

  it("shares the bytes with others", () => {
    const bytes = [open({}), open({})].map((client) => {
      const step = client.next(store.head);
      return step.kind === "response" ? step.send() : undefined;
    });
    expect(bytes[0]).toBe(bytes[1]);
  });
});

describe("a client that asks by name", () => {
  it("gets all it asks for when any of it changes, and nothing when others do", () => {
    const client = open({ resourceNames: ["a", "x"] });
    expect(texts(drain(client))).toEqual([["a1"]]);
    publish({ b: "2" });
    expect(drain(client)).toEqual([]);
    publish({ x: "1" });
    expect(texts(drain(client))).toEqual([["a1", "x1"]]);
    publish({ a: undefined });
    expect(texts(drain(client))).toEqual([["x1"]]);
  });

  it("is answered when it asks for more, not when it asks for less", () => {
    const client = open({ resourceNames: ["a"] });
    const [{ nonce: responseNonce }] = drain(client) as [Answer];
    client.receive(request({ responseNonce, resourceNames: ["a", "b"] }), 0);
    const [more] = drain(client) as [Answer];
    expect(more.texts).toEqual(["a1", "b1"]);
    expect(more.nonce).not.toBe(responseNonce);
    expect(client.receive(request({ responseNonce: more.nonce, resourceNames: ["b"] }), 0).hasChanged).toBe(true);
    expect(drain(client)).toEqual([]);
    publish({ a: "2" });
    expect(drain(client)).toEqual([]);
  });

  it("may change its names after it acknowledged, with the nonce it acknowledged", () => {
    const client = open({ resourceNames: ["a"] });
    const [{ nonce: responseNonce }] = drain(client) as [Answer];
    client.receive(request({ responseNonce, resourceNames: ["a"] }), 0);
    const received = client.receive(request({ responseNonce, resourceNames: ["b"] }), 0);
    expect(received).toEqual({ verdict: undefined, hasChanged: true, names: 1 });
    expect(texts(drain(client))).toEqual([["b1"]]);
  });

  it("that names nothing any more gets nothing", () => {
    const client = open({ resourceNames: ["a"] });
    const [{ nonce: responseNonce }] = drain(client) as [Answer];
    client.receive(request({ responseNonce, resourceNames: [] }), 0);
    publish({ a: "2", b: "2" });
    expect(drain(client)).toEqual([]);
    expect(client.status().isWildcard).toBe(false);
  });

  it("finds by alias and notices when that resource goes", () => {
    store.set(text("pod", "p1", { aliases: ["/10.0.0.1"] }));
    store.publish();
    const client = open({ resourceNames: ["/10.0.0.1"] });
    expect(texts(drain(client))).toEqual([["p1"]]);
    publish({ pod: undefined });
    expect(texts(drain(client))).toEqual([[]]);
  });
});

describe("verdicts", () => {
  it("ignores everything that comes with an older nonce", () => {
    const client = open({ resourceNames: ["a"] });
    const [older] = drain(client) as [Answer];
    publish({ a: "2" });
    const [newer] = drain(client) as [Answer];
    const stale = client.receive(request({ responseNonce: older.nonce, resourceNames: ["a", "b"] }), 0);
    expect(stale).toEqual({ verdict: "stale", hasChanged: false, names: 1 });
    expect(drain(client)).toEqual([]);
    expect(client.receive(request({ responseNonce: newer.nonce, resourceNames: ["a"] }), 0).verdict).toBe("ack");
  });

  it("shows a rejection and does not repeat the response", () => {
    const client = open({});
    const [{ nonce }] = drain(client) as [Answer];
    const nack = request({ responseNonce: nonce, errorDetail: { message: "no" } });
    expect(client.receive(nack, 9).verdict).toBe("nack");
    expect(client.status().lastNack).toEqual({ nonce, code: 0, message: "no", at: 9 });
    expect(drain(client)).toEqual([]);
  });
});
