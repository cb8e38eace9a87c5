// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import { afterAll, beforeAll, expect, it, test, vi } from "vitest";
import { RESOURCES } from "@ambientmesh/kube";
import { ISTIO_RESOURCES } from "../../src/sources/istio-resources.ts";
import {
  applyYaml,
  namespaceYaml,
  startIstiod,
  startKube,
  testConfig,
  type TestIstiod,
  type TestKube,
} from "../support/mesh.ts";

/** Writes to one object are a second apart. */
const PATIENT = { timeout: 10_000, interval: 20 };

let kube: TestKube;
let istiod: TestIstiod;

beforeAll(async () => {
  kube = await startKube();
  await applyYaml(kube.client, namespaceYaml("shop"));
  istiod = await startIstiod(kube.client);
});

afterAll(async () => {
  await istiod?.[Symbol.asyncDispose]();
  await kube?.[Symbol.asyncDispose]();
});

const policy = (name: string, spec: string): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: shop }
spec: { ${spec} }
`;
const find = (name: string): Promise<AuthorizationPolicy> =>
  kube.client.get(ISTIO_RESOURCES.AuthorizationPolicy, { namespace: "shop", name });
const conditionOf = async (name: string) =>
  (await find(name)).status?.conditions?.find(({ type }) => type === "ZtunnelAccepted");

test.each([
  ["accepted", "rules: [{ to: [{ operation: { ports: ['80'] } }] }]", { status: "True", reason: "Accepted" }],
  ["partly", "rules: [{ to: [{ operation: { methods: [GET] } }] }]", { status: "True", reason: "UnsupportedValue" }],
  ["unsupported", "action: AUDIT", { status: "False", reason: "UnsupportedValue" }],
  ["unreadable", "rules: nonsense", { status: "False", reason: "UnsupportedValue" }],
])("the condition of a policy that is %s", async (name, spec, expected) => {
  await applyYaml(kube.client, policy(name, spec));
  await vi.waitFor(async () => expect(await conditionOf(name)).toMatchObject(expected), PATIENT);
});

it("is written once, follows edits and is removed from what is not for node proxies", async () => {
  await applyYaml(kube.client, policy("edited", ""));
  const first = await vi.waitFor(async () => {
    const object = await find("edited");
    expect(object.status?.conditions?.[0]).toMatchObject({ status: "True", observedGeneration: 1 });
    return object;
  }, PATIENT);
  // Another write would need another look at the object, which the next policy's condition proves to have happened.
  await applyYaml(kube.client, policy("other", ""));
  await vi.waitFor(async () => expect(await conditionOf("other")).toBeDefined(), PATIENT);
  expect((await find("edited")).metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  await applyYaml(kube.client, policy("edited", "action: CUSTOM"));
  await vi.waitFor(
    async () => expect(await conditionOf("edited")).toMatchObject({ status: "False", observedGeneration: 2 }),
    PATIENT,
  );
  await applyYaml(kube.client, policy("edited", "targetRefs: [{ kind: Service, name: web }]"));
  await vi.waitFor(async () => expect(await conditionOf("edited")).toBeUndefined(), PATIENT);
});

const service = (labels: string): string => `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, labels: { ${labels} } }
spec: { ports: [{ port: 80 }] }
`;

it("a service is told what became of its waypoint, until it wants none", async () => {
  const find = async () =>
    (await kube.client.get(RESOURCES.Service, { namespace: "shop", name: "web" })).status?.conditions;
  await applyYaml(kube.client, service("istio.io/use-waypoint: gone"));
  await vi.waitFor(
    async () => expect(await find()).toMatchObject([{ type: "istio.io/WaypointBound", reason: "WaypointIsNotReady" }]),
    PATIENT,
  );
  await applyYaml(kube.client, service(""));
  await vi.waitFor(async () => expect((await find()) ?? []).toEqual([]), PATIENT);
});

it("hosts of ServiceEntries get addresses, one each", async () => {
  const entry = (name: string): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name}, namespace: shop }
spec: { hosts: [${name}.example.com], resolution: DNS, ports: [{ number: 443, name: tls, protocol: TLS }] }
`;
  await applyYaml(kube.client, [entry("one"), entry("two")].join("---"));
  const addresses = await vi.waitFor(async () => {
    const entries = await kube.client.list(ISTIO_RESOURCES.ServiceEntry);
    const given = entries.flatMap(({ status }) => status?.addresses ?? []);
    expect(given).toHaveLength(4);
    expect(new Set(given.map(({ host }) => host))).toEqual(new Set(["one.example.com", "two.example.com"]));
    return given.map(({ value }) => value);
  }, PATIENT);
  expect(addresses.toSorted((a, b) => (a < b ? -1 : 1))).toEqual([
    "2001:2::1",
    "2001:2::2",
    "240.240.0.1",
    "240.240.0.2",
  ]);
});

it("is written by one of two replicas, and by the other when that one is gone", async () => {
  await using second = await startIstiod(kube.client, testConfig({ POD_NAME: "second" }));
  await istiod[Symbol.asyncDispose]();
  await applyYaml(kube.client, policy("later", ""));
  await vi.waitFor(async () => expect(await conditionOf("later")).toBeDefined(), { timeout: 20_000, interval: 100 });
  const leaders = [istiod, second].map(({ log }) => log.records.filter(({ event }) => event === "leading").length);
  expect(leaders).toEqual([1, 1]);
});
