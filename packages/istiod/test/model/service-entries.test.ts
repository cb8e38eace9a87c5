// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { addressesOf, modelOf, translate } from "../support/translate.ts";

const entry = (spec: string, metadata = "name: ext, namespace: shop", more = ""): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { ${metadata} }
spec: { hosts: [api.example.com], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: DNS, ${spec} }
${more}
`;
const join = (...documents: string[]): string => documents.join("---");
const SERVICE = "shop/api.example.com";
const ENDPOINT = "c1/networking.istio.io/ServiceEntry/shop/ext/";

describe("a ServiceEntry", () => {
  it("is a service for its host and, resolved by DNS, its own endpoint", () => {
    expect(translate(entry("addresses: [10.5.0.1], subjectAltNames: [spiffe://x/ns/a/sa/b]"))).toMatchInlineSnapshot(`
      {
        "c1/networking.istio.io/ServiceEntry/shop/ext/api.example.com": {
          "canonicalName": "ext",
          "canonicalRevision": "latest",
          "clusterId": "c1",
          "hostname": "api.example.com",
          "name": "ext",
          "namespace": "shop",
          "services": {
            "shop/api.example.com": {
              "ports": [
                {
                  "servicePort": 443,
                  "targetPort": 443,
                },
              ],
            },
          },
          "uid": "c1/networking.istio.io/ServiceEntry/shop/ext/api.example.com",
          "workloadName": "ext",
          "workloadType": "POD",
        },
        "shop/api.example.com": {
          "addresses": [
            "/10.5.0.1",
          ],
          "canonical": true,
          "hostname": "api.example.com",
          "name": "ext",
          "namespace": "shop",
          "ports": [
            {
              "appProtocol": "TLS",
              "servicePort": 443,
              "targetPort": 443,
            },
          ],
          "subjectAltNames": [
            "spiffe://x/ns/a/sa/b",
          ],
        },
      }
    `);
  });

  it("lists its endpoints, with their ports, networks and places", () => {
    const yaml = entry(
      `resolution: STATIC, ports: [{ number: 443, name: tls, protocol: TLS, targetPort: 8443 }, { number: 80, name: http }],
       endpoints: [{ address: 10.7.0.1, ports: { tls: 9443 }, labels: { app: api, version: v2 }, network: remote, locality: eu/a/1, weight: 3,
       serviceAccount: api }, { address: "fd00::7" }]`,
    );
    const { [SERVICE]: _service, ...endpoints } = translate(yaml);
    expect(endpoints).toMatchInlineSnapshot(`
      {
        "c1/networking.istio.io/ServiceEntry/shop/ext/10.7.0.1": {
          "addresses": [
            "10.7.0.1",
          ],
          "canonicalName": "ext",
          "canonicalRevision": "latest",
          "capacity": 3,
          "clusterId": "c1",
          "locality": {
            "region": "eu",
            "subzone": "1",
            "zone": "a",
          },
          "name": "ext",
          "namespace": "shop",
          "network": "remote",
          "serviceAccount": "api",
          "services": {
            "shop/api.example.com": {
              "ports": [
                {
                  "servicePort": 443,
                  "targetPort": 9443,
                },
                {
                  "servicePort": 80,
                  "targetPort": 80,
                },
              ],
            },
          },
          "uid": "c1/networking.istio.io/ServiceEntry/shop/ext/10.7.0.1",
          "workloadName": "ext",
          "workloadType": "POD",
        },
        "c1/networking.istio.io/ServiceEntry/shop/ext/fd00::7": {
          "addresses": [
            "fd00::7",
          ],
          "canonicalName": "ext",
          "canonicalRevision": "latest",
          "clusterId": "c1",
          "name": "ext",
          "namespace": "shop",
          "services": {
            "shop/api.example.com": {
              "ports": [
                {
                  "servicePort": 443,
                  "targetPort": 8443,
                },
                {
                  "servicePort": 80,
                  "targetPort": 80,
                },
              ],
            },
          },
          "uid": "c1/networking.istio.io/ServiceEntry/shop/ext/fd00::7",
          "workloadName": "ext",
          "workloadType": "POD",
        },
      }
    `);
  });

  it("says by its own labels what its endpoints are, not by theirs", () => {
    const yaml = entry(
      "resolution: STATIC, endpoints: [{ address: 10.7.0.1, labels: { app: api, version: v2 } }]",
      "name: ext, namespace: shop, labels: { app: partner, version: v3, networking.istio.io/tunnel: http }",
    );
    expect(translate(yaml)[`${ENDPOINT}10.7.0.1`]).toMatchObject({
      canonicalName: "partner",
      canonicalRevision: "v3",
      tunnelProtocol: "HBONE",
      nativeTunnel: true,
    });
  });

  it("gives the waypoint of the namespace to endpoints that it lists, not to those that DNS finds", () => {
    const place = `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/use-waypoint: w } }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: w, namespace: shop, labels: { istio.io/waypoint-for: all } }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
status: { addresses: [{ type: IPAddress, value: 10.1.9.9 }] }
`;
    const listed = translate(join(place, entry("endpoints: [{ address: b.example.com }]")));
    const found = translate(join(place, entry("")));
    expect(listed[`${ENDPOINT}b.example.com`]).toHaveProperty("waypoint");
    expect(found[`${ENDPOINT}api.example.com`]).not.toHaveProperty("waypoint");
    expect(found[SERVICE]).toHaveProperty("waypoint");
  });

  it("selects pods and WorkloadEntries of its namespace; a pod's container port of that name comes first", () => {
    const yaml = join(
      entry(
        "resolution: STATIC, workloadSelector: { labels: { app: api } }, ports: [{ number: 80, name: http, targetPort: 8080 }, { number: 81, name: other }]",
      ),
      `
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: shop, labels: { app: api } }
spec: { containers: [{ name: c, ports: [{ name: http, containerPort: 3000 }] }] }
status: { phase: Running, podIP: 10.0.0.1 }
`,
      `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: vm, namespace: shop, labels: { app: api } }
spec: { address: 10.0.0.2, ports: { other: 8181 } }
`,
      `
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: vm, namespace: other, labels: { app: api } }
spec: { address: 10.0.0.3 }
`,
    );
    const services = (name: string): unknown => (translate(yaml)[name] as Record<string, unknown>)["services"];
    expect(services("c1//Pod/shop/p")).toEqual({
      [SERVICE]: {
        ports: [
          { servicePort: 80, targetPort: 3000 },
          { servicePort: 81, targetPort: 81 },
        ],
      },
    });
    expect(services("c1/networking.istio.io/WorkloadEntry/shop/vm")).toEqual({
      [SERVICE]: {
        ports: [
          { servicePort: 80, targetPort: 8080 },
          { servicePort: 81, targetPort: 8181 },
        ],
      },
    });
    expect(services("c1/networking.istio.io/WorkloadEntry/other/vm")).toBeUndefined();
  });
});

const service = (yaml: string, name = SERVICE): Record<string, unknown> =>
  translate(yaml)[name] as Record<string, unknown>;
const given =
  "status: { addresses: [{ value: 240.240.0.5, host: api.example.com }, { value: '2001:2::5', host: api.example.com }, { value: 240.240.0.6, host: other }] }";

describe("the addresses of a host", () => {
  test.each([
    ["are the entry's own", "addresses: [10.5.0.1, 'fd00::1']", given, ["/10.5.0.1", "/fd00::1"]],
    [
      "are ranges without their host bits",
      "resolution: STATIC, addresses: [10.5.3.7/12, 10.5.0.1/32]",
      "",
      ["/10.0.0.0/12", "/10.5.0.1"],
    ],
    ["leave out what is none", "addresses: [nonsense, 10.5.0.1/33, 10.5.0.1]", "", ["/10.5.0.1"]],
    ["are those that istiod gave to the host", "", given, ["/240.240.0.5", "/2001:2::5"]],
    ["are never given without resolution", "resolution: NONE", given, undefined],
    [
      "are never given to a wildcard",
      "hosts: ['*.example.com']",
      given.replaceAll("api.example.com", "'*.example.com'"),
      undefined,
    ],
    [
      "are given to a wildcard that is resolved when asked for",
      "hosts: ['*.example.com'], resolution: DYNAMIC_DNS",
      given.replaceAll("api.example.com", "'*.example.com'"),
      ["/240.240.0.5", "/2001:2::5"],
    ],
  ])("%s", (_what, spec, status, addresses) => {
    const found = Object.values(translate(entry(spec, undefined, status)));
    expect((found.find((each) => !("uid" in (each as object))) as Record<string, unknown>)["addresses"]).toEqual(
      addresses,
    );
  });
});

describe("load balancing of an entry", () => {
  test.each([
    ["NONE: where the client wants", "resolution: NONE", "", { healthPolicy: "ALLOW_ALL", mode: "PASSTHROUGH" }],
    ["DNS", "", "", undefined],
    [
      "an annotation",
      "",
      "annotations: { networking.istio.io/traffic-distribution: PreferClose }",
      { mode: "FAILOVER", routingPreference: ["NETWORK", "REGION", "ZONE"] },
    ],
  ])("%s", (_what, spec, metadata, expected) => {
    expect(service(entry(spec, `name: ext, namespace: shop, ${metadata}`))["loadBalancing"]).toEqual(expected);
  });
});

describe("several objects with one host", () => {
  const older = entry(
    "addresses: [10.5.0.1]",
    "name: older, namespace: shop, creationTimestamp: '2025-01-01T00:00:00Z'",
  );
  const newer = entry(
    "addresses: [10.5.0.2]",
    "name: newer, namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'",
  );
  const elsewhere = entry(
    "addresses: [10.5.0.3]",
    "name: a, namespace: bank, creationTimestamp: '2025-06-01T00:00:00Z'",
  );

  it("the older entry has it, and the other's endpoints are gone", () => {
    const resources = translate(join(newer, older));
    expect(Object.keys(resources)).toEqual(["c1/networking.istio.io/ServiceEntry/shop/older/api.example.com", SERVICE]);
    expect(resources[SERVICE]).toMatchObject({ name: "older" });
  });

  it("when the older one goes, the newer one takes its place", () => {
    const model = modelOf(join(newer, older));
    model.sources.serviceEntries.delete("shop/older");
    model.graph.settle();
    expect(addressesOf(model)[SERVICE]).toMatchObject({ name: "newer", addresses: ["/10.5.0.2"] });
  });

  it("a newer entry that appears as older changes the owner at once", () => {
    const model = modelOf(newer);
    const [object] = model.sources.serviceEntries.values();
    const replaced = {
      ...object,
      metadata: { ...object?.metadata, name: "oldest", creationTimestamp: "2024-01-01T00:00:00Z" },
    };
    model.sources.serviceEntries.set("shop/oldest", replaced as NonNullable<typeof object>);
    model.graph.settle();
    expect(addressesOf(model)[SERVICE]).toMatchObject({ name: "oldest" });
  });

  it("of several namespaces the oldest is canonical", () => {
    const resources = translate(join(elsewhere, newer));
    expect(resources["bank/api.example.com"]).toMatchObject({ canonical: true });
    expect(resources[SERVICE]).not.toHaveProperty("canonical");
  });

  it("a Kubernetes Service comes first in its namespace, and is the canonical one elsewhere", () => {
    const kubernetes = `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.1.0.1 }
`;
    const host = "hosts: [web.shop.svc.cluster.local]";
    const resources = translate(
      join(
        kubernetes,
        entry(host),
        entry(host, "name: ext, namespace: bank, creationTimestamp: '2020-01-01T00:00:00Z'"),
      ),
    );
    expect(resources["shop/web.shop.svc.cluster.local"]).toMatchObject({ name: "web", canonical: true });
    expect(resources["bank/web.shop.svc.cluster.local"]).not.toHaveProperty("canonical");
    expect(Object.keys(resources)).not.toContain(`${ENDPOINT}web.shop.svc.cluster.local`);
  });
});

describe("endpoints", () => {
  test.each([
    ["a host name", "endpoints: [{ address: db.example.com }]", ["db.example.com"]],
    ["a unix socket can't be reached", "resolution: STATIC, endpoints: [{ address: unix:///run/a }]", []],
    ["nothing but a network", "resolution: STATIC, endpoints: [{ network: n2 }]", [""]],
    ["nothing at all", "resolution: STATIC, endpoints: [{ labels: { a: b } }]", []],
    [
      "one address twice",
      "resolution: STATIC, endpoints: [{ address: 10.0.0.1 }, { address: 10.0.0.1 }]",
      ["10.0.0.1"],
    ],
    ["none without DNS", "resolution: STATIC", []],
    ["none for a selector", "workloadSelector: { labels: { a: b } }", []],
    ["each host of its own", "hosts: [a.com, b.com, a.com]", ["a.com", "b.com"]],
  ])("%s", (_what, spec, addresses) => {
    const names = Object.keys(translate(entry(spec))).filter((name) => name.startsWith("c1/"));
    expect(names).toEqual(addresses.map((address) => ENDPOINT + address));
  });

  it("a network named by one of them is not the others'", () => {
    const yaml = entry("resolution: STATIC, endpoints: [{ address: 10.0.0.1, network: n2 }, { address: 10.0.0.2 }]");
    expect(translate(yaml)[`${ENDPOINT}10.0.0.2`]).not.toHaveProperty("network");
  });
});
