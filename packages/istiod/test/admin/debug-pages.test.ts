// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { NodeSchema } from "@ambientmesh/api/discovery";
import { AUTHORIZATION_TYPE_URL } from "@ambientmesh/api/security";
import { ADDRESS_TYPE_URL } from "@ambientmesh/api/workload";
import { formatSpiffeId } from "@ambientmesh/spiffe";
import type { AdminRequest } from "@ambientmesh/telemetry";
import { ResourceStore, type ClientStatus } from "@ambientmesh/xds";
import { describe, expect, it, test } from "vitest";
import { DebugAccess, isLoopback } from "../../src/admin/debug-access.ts";
import { debugPages } from "../../src/admin/debug-pages.ts";
import { longJsonAnswer } from "../../src/admin/json-text.ts";
import type { Authentication } from "../../src/authentication/caller.ts";
import { feedStore } from "../../src/discovery/resource-feed.ts";
import { createMeshModel } from "../../src/model/mesh-model.ts";
import { OPTIONS, parseObjects, put } from "../support/translate.ts";

const YAML = `
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
spec: { containers: [] }
status: { podIP: 10.0.0.1 }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.1.0.1 }
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nobody, namespace: shop }
`;

const client = (id: string, namespace: string): ClientStatus => ({
  client: {
    id: `${id}-1`,
    node: create(NodeSchema, { id: `ztunnel~1.1.1.1~${id}.${namespace}~${namespace}.svc.cluster.local` }),
    identity: { id: "spiffe://td/ns/mesh/sa/ztunnel" },
    peerAddress: "10.0.0.9:1234",
    protocol: "delta",
  },
  connectedAt: 0,
  responsesSent: 2,
  bytesSent: 100,
  blockedMs: 0,
  types: [
    {
      typeUrl: ADDRESS_TYPE_URL,
      isWildcard: true,
      names: 0,
      isCurrent: true,
      outstanding: 0,
      lastSent: "5",
      lastAcked: { nonce: "5", at: 1 },
      lastNack: undefined,
    },
  ],
});

function routesFor(namespace: string, isRestricted = true) {
  const model = createMeshModel(OPTIONS, () => undefined);
  const addresses = new ResourceStore(ADDRESS_TYPE_URL);
  const authorizations = new ResourceStore(AUTHORIZATION_TYPE_URL);
  feedStore(addresses, model.addresses);
  feedStore(authorizations, model.authorizations);
  put(model, parseObjects(YAML));
  model.graph.settle();
  addresses.publish();
  authorizations.publish();
  const clients = [client("z-1", "mesh"), client("z-2", "shop")];
  const pages = debugPages({
    clients: () => clients,
    addresses,
    authorizations,
    policies: model.policies,
    meshConfig: () => ({ trustDomain: "td", rootNamespace: "istio-system" }),
    collectionSizes: () => model.graph.sizes(),
  });
  const id = formatSpiffeId({ trustDomain: "td", namespace, serviceAccount: "any" });
  const authenticate = async (call: { metadata(name: string): string | undefined }): Promise<Authentication> =>
    call.metadata("authorization") === "Bearer good"
      ? { kind: "authenticated", caller: { by: "token", id, namespace, serviceAccount: "any", pod: undefined } }
      : { kind: "refused", reason: "no token" };
  const access = new DebugAccess({ authenticate }, { isRestricted, namespaces: ["mesh"] });
  return new Map(pages.map((page) => [page.name, access.route(page)]));
}

async function get(
  url: string,
  options: { namespace?: string; isRestricted?: boolean; request?: Partial<AdminRequest> } = {},
) {
  const { pathname, searchParams: query } = new URL(url, "http://istiod");
  const route = routesFor(options.namespace ?? "mesh", options.isRestricted).get(pathname.slice(1));
  const answer = await route?.handle({
    method: "GET",
    path: pathname,
    query,
    headers: {},
    remoteAddress: "127.0.0.1",
    body: "",
    signal: new AbortController().signal,
    ...options.request,
  });
  const isJson = answer?.contentType === "application/json";
  const body: unknown = isJson ? JSON.parse(String(answer?.body)) : answer?.body;
  return { status: answer?.status ?? 200, body };
}

describe("debug pages", () => {
  it("show what node proxies get", async () => {
    const { body } = await get("ambientz");
    expect(body).toMatchObject({
      workloads: [{ uid: "c1//Pod/shop/web", addresses: ["CgAAAQ=="] }],
      services: [{ hostname: "web.shop.svc.cluster.local" }],
      policies: [{ name: "nobody", scope: "NAMESPACE" }],
    });
  });

  it("show clients and how far they are", async () => {
    expect((await get("adsz")).body).toMatchObject({
      totalClients: 2,
      clients: [
        { connectionId: "z-1-1", identity: "spiffe://td/ns/mesh/sa/ztunnel", watches: { [ADDRESS_TYPE_URL]: "*" } },
        {},
      ],
    });
    expect((await get("syncz")).body).toMatchObject([{ types: { [ADDRESS_TYPE_URL]: { sent: "5", acked: "5" } } }, {}]);
    expect((await get("connections")).body).toMatchObject({ clients: [{ address: "10.0.0.9:1234" }, {}] });
  });

  it("show policies and collections", async () => {
    expect((await get("authorizationz")).body).toMatchObject({
      policies: [{ name: "shop/nobody", isSent: true, condition: { status: "True" } }],
    });
    expect((await get("krtz")).body).toMatchObject({ pods: 1, addresses: 2 });
    expect((await get("list")).body).toContain("/debug/ambientz");
  });

  test.each([
    ["config_dump", 400],
    ["config_dump?proxyID=nobody.mesh", 404],
    ["config_dump?proxyID=z-1.mesh", 200],
  ])("%s answers %d", async (url, status) => expect((await get(url)).status).toBe(status));

  it("dump resources with their versions", async () => {
    const { body } = await get("config_dump?proxyID=z-1.mesh");
    expect(body).toMatchObject({
      [ADDRESS_TYPE_URL]: [{ name: expect.any(String), version: expect.stringMatching(/^[0-9a-f]{16}$/) }, {}],
      [AUTHORIZATION_TYPE_URL]: [{ name: "shop/nobody", resource: { name: "nobody" } }],
    });
  });
});

describe("access to debug pages", () => {
  const remote = (token?: string): Partial<AdminRequest> => ({
    remoteAddress: "10.0.0.7",
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
  });
  test.each([
    ["this machine", "mesh", true, {}, "adsz", 200],
    ["this machine over IPv6", "mesh", true, { remoteAddress: "::ffff:127.0.0.1" }, "adsz", 200],
    ["nobody", "mesh", true, remote(), "adsz", 401],
    ["a bad token", "mesh", true, remote("bad"), "adsz", 401],
    ["the system namespace", "mesh", true, remote("good"), "adsz", 200],
    ["another namespace", "shop", true, remote("good"), "adsz", 403],
    ["another namespace without restriction", "shop", false, remote("good"), "adsz", 200],
    ["another namespace for its own proxy", "shop", true, remote("good"), "config_dump?proxyID=z-2.shop", 200],
    ["another namespace for a foreign proxy", "shop", true, remote("good"), "config_dump?proxyID=z-1.mesh", 404],
  ] as const)("%s", async (...[, namespace, isRestricted, request, url, status]) => {
    expect((await get(url, { namespace, isRestricted, request })).status).toBe(status);
  });

  test.each([
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["::1", true],
    ["::ffff:127.0.0.1", true],
    ["10.0.0.1", false],
    ["::ffff:10.0.0.1", false],
    ["", false],
    ["localhost", false],
  ])("%j is loopback: %s", (address, expected) => expect(isLoopback(address)).toBe(expected));
});

it("writes long lists as valid JSON", async () => {
  const items = Array.from({ length: 450 }, (_, at) => ({ at }));
  const { body } = await longJsonAnswer({ none: [], items });
  expect(JSON.parse(String(body))).toEqual({ none: [], items });
});
