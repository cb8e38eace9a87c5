// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { translate } from "../support/translate.ts";

const NAME = "shop/web.shop.svc.cluster.local";
const service = (spec: string, metadata = ""): string => `
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, ${metadata} }
spec: { clusterIP: 10.1.0.1, ${spec} }
`;
const slice = (content: string, labels = "kubernetes.io/service-name: web"): string => `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-x, namespace: shop, labels: { ${labels} } }
addressType: IPv4
${content}
`;
const pod = (name: string, labels = "app: web"): string => `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: shop, uid: ${name}-uid, labels: { ${labels} } }
spec: { containers: [] }
status: { phase: Running, podIP: 10.0.0.1, conditions: [{ type: Ready, status: "True" }] }
`;
const join = (...documents: string[]): string => documents.join("---");

describe("a service", () => {
  it("is described in full", () => {
    expect(
      translate(
        join(
          `
apiVersion: v1
kind: Namespace
metadata: { name: istio-system, labels: { topology.istio.io/network: net1 } }
`,
          service(
            `clusterIPs: [10.1.0.1, "fd00:1::1"], ipFamilies: [IPv4, IPv6], publishNotReadyAddresses: true, trafficDistribution: PreferSameZone,
             ports: [{ name: http, port: 80, targetPort: 8080 }, { name: metrics, port: 9090, targetPort: metrics }, { port: 53, protocol: UDP, targetPort: 53 }]`,
          ),
        ),
      )[NAME],
    ).toMatchInlineSnapshot(`
      {
        "addresses": [
          "net1/10.1.0.1",
          "net1/fd00:1::1",
        ],
        "canonical": true,
        "hostname": "web.shop.svc.cluster.local",
        "ipFamilies": "DUAL",
        "loadBalancing": {
          "healthPolicy": "ALLOW_ALL",
          "mode": "FAILOVER",
          "routingPreference": [
            "NETWORK",
            "REGION",
            "ZONE",
          ],
        },
        "name": "web",
        "namespace": "shop",
        "ports": [
          {
            "appProtocol": "HTTP11",
            "servicePort": 80,
            "targetPort": 8080,
          },
          {
            "servicePort": 9090,
          },
          {
            "servicePort": 53,
            "targetPort": 53,
          },
        ],
      }
    `);
  });

  it("that is headless has no address", () => {
    expect(translate(service("clusterIP: None, clusterIPs: [None]"))[NAME]).not.toHaveProperty("addresses");
  });

  it("that is an alias in DNS is left out", () => {
    expect(translate(service("type: ExternalName, externalName: a.example"))).toEqual({});
  });

  test.each([
    ["", undefined],
    ["ipFamilies: [IPv4]", "IPV4_ONLY"],
    ["ipFamilies: [IPv6]", "IPV6_ONLY"],
    ["ipFamilies: [IPv6, IPv4]", "DUAL"],
  ])("with %s has the families %s", (spec, families) => {
    const { ipFamilies } = translate(service(spec))[NAME] as Record<string, unknown>;
    expect(ipFamilies).toBe(families);
  });
});

describe("load balancing", () => {
  const zone = { routingPreference: ["NETWORK", "REGION", "ZONE"], mode: "FAILOVER" };
  const node = { routingPreference: ["NETWORK", "REGION", "ZONE", "SUBZONE", "NODE"], mode: "FAILOVER" };
  const annotated = (value: string): string => `annotations: { networking.istio.io/traffic-distribution: ${value} }`;
  interface Asked {
    readonly spec?: string;
    readonly metadata?: string;
    readonly namespace?: string;
  }
  test.each<[string, Asked, unknown]>([
    ["nothing asked for", {}, undefined],
    ["the field", { spec: "trafficDistribution: PreferClose" }, zone],
    ["the field in another case", { spec: "trafficDistribution: prefersamenode" }, node],
    ["an unknown value", { spec: "trafficDistribution: Nearest", metadata: annotated("PreferClose") }, undefined],
    ["the annotation", { metadata: annotated("PreferSameNode"), namespace: annotated("PreferClose") }, node],
    ["the namespace's annotation", { namespace: annotated("PreferSameZone") }, zone],
    [
      "local by policy",
      { spec: "internalTrafficPolicy: Local, trafficDistribution: PreferClose" },
      { routingPreference: ["NODE"], mode: "STRICT" },
    ],
    ["endpoints that are not ready", { spec: "publishNotReadyAddresses: true" }, { healthPolicy: "ALLOW_ALL" }],
  ])("with %s", (_what, { spec = "", metadata = "", namespace = "" }, expected) => {
    const place = `\napiVersion: v1\nkind: Namespace\nmetadata: { name: shop, ${namespace} }\n`;
    const { loadBalancing } = translate(join(place, service(spec, metadata)))[NAME] as Record<string, unknown>;
    expect(loadBalancing).toEqual(expected);
  });

  it("of one service never changes another's", () => {
    const other = service("trafficDistribution: PreferSameZone", "name: other").replace("name: web,", "");
    const both = translate(join(service("trafficDistribution: PreferSameZone, publishNotReadyAddresses: true"), other));
    expect(both[NAME]).toMatchObject({ loadBalancing: { ...zone, healthPolicy: "ALLOW_ALL" } });
    expect(both["shop/other.shop.svc.cluster.local"]).toHaveProperty("loadBalancing", zone);
  });
});

describe("the protocol of a port", () => {
  test.each([
    ["name: http", "HTTP11"],
    ["name: HTTP-web", "HTTP11"],
    ["name: http2", "HTTP2"],
    ["name: grpc-api", "GRPC"],
    ["name: grpc-web", undefined],
    ["name: tls", "TLS"],
    ["name: https-admin", "TLS"],
    ["name: tcp-raw", "TCP"],
    ["name: mongo", undefined],
    ["name: redis, port: 3306", undefined],
    ["name: web", undefined],
    ["name: web, port: 27017", "TCP"],
    ["port: 25", "TCP"],
    ["port: 53, protocol: UDP", undefined],
    ["name: http, appProtocol: tcp", "TCP"],
    ["appProtocol: kubernetes.io/h2c", "HTTP2"],
    ["appProtocol: kubernetes.io/ws", "HTTP11"],
    ["appProtocol: kubernetes.io/wss", "TLS"],
    ["appProtocol: my.example/thing", undefined],
  ])("with %s is %s", (port, expected) => {
    const { ports } = translate(service(`ports: [{ port: 1234, ${port} }]`))[NAME] as {
      ports: Record<string, unknown>[];
    };
    expect(ports[0]?.["appProtocol"]).toBe(expected);
  });
});

describe("endpoints of a service", () => {
  const POD = "c1//Pod/shop/a";
  const target = (name: string, uid = `${name}-uid`): string =>
    slice(
      `endpoints: [{ addresses: [10.0.0.1], targetRef: { kind: Pod, name: ${name}, namespace: shop, uid: ${uid} } }]`,
    );
  const withPorts = "ports: [{ name: http, port: 80, targetPort: 8080 }]";

  test.each([
    ["selected", service("selector: { app: web }"), ["web"]],
    ["selected by one of two labels only", service("selector: { app: web, tier: front }"), []],
    ["of a service without selector and slice", service(""), []],
    ["listed by a slice of a service without selector", join(service(""), target("a")), ["web"]],
    ["listed by a slice of a service that selects others", join(service("selector: { app: db }"), target("a")), []],
    ["listed under the uid of an earlier pod", join(service(""), target("a", "old")), []],
    [
      "of another namespace's service",
      service("selector: { app: web }").replace("namespace: shop", "namespace: bank"),
      [],
    ],
  ])("a pod that is %s", (_what, yaml, names) => {
    const { services = {} } = translate(join(yaml, pod("a")))[POD] as { services?: object };
    expect(Object.keys(services)).toEqual(names.map((name) => `shop/${name}.shop.svc.cluster.local`));
  });

  it("without a pod become workloads that nothing else is known of", () => {
    const yaml = join(
      service(withPorts),
      slice(`
ports: [{ name: http, port: 8443, protocol: TCP }, { name: gone, port: 1, protocol: TCP }, { name: http, port: 53, protocol: UDP }]
endpoints:
- { addresses: [192.0.2.1] }
- { addresses: [192.0.2.2], conditions: { ready: false } }
- { addresses: [192.0.2.1], conditions: { ready: false } }
- { addresses: [nonsense] }
- { addresses: [10.0.0.1], targetRef: { kind: Pod, name: a, namespace: shop, uid: u } }`),
    );
    const resources = translate(yaml);
    expect(Object.keys(resources)).toEqual([
      "c1/discovery.k8s.io/EndpointSlice/shop/web-x/192.0.2.1",
      "c1/discovery.k8s.io/EndpointSlice/shop/web-x/192.0.2.2",
      NAME,
    ]);
    expect(resources["c1/discovery.k8s.io/EndpointSlice/shop/web-x/192.0.2.2"]).toMatchInlineSnapshot(`
      {
        "addresses": [
          "192.0.2.2",
        ],
        "clusterId": "c1",
        "name": "web-x",
        "namespace": "shop",
        "networkMode": "HOST_NETWORK",
        "services": {
          "shop/web.shop.svc.cluster.local": {
            "ports": [
              {
                "servicePort": 80,
                "targetPort": 8443,
              },
            ],
          },
        },
        "status": "UNHEALTHY",
        "uid": "c1/discovery.k8s.io/EndpointSlice/shop/web-x/192.0.2.2",
      }
    `);
  });

  test.each([
    ["of no service", slice("endpoints: [{ addresses: [192.0.2.1] }]", "")],
    [
      "of a service that is not there",
      slice("endpoints: [{ addresses: [192.0.2.1] }]", "kubernetes.io/service-name: db"),
    ],
    ["with host names", slice("addressType: FQDN\nendpoints: [{ addresses: [a.example] }]")],
    ["without endpoints", slice("")],
  ])("in a slice %s are left out", (_what, yaml) =>
    expect(Object.keys(translate(join(service(""), yaml)))).toEqual([NAME]),
  );
});
