// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { stringify } from "yaml";
import { dumpPolicy, dumpService, dumpWorkload } from "../../src/admin/dump-state.ts";
import { applyLocalConfig, parseLocalConfig } from "../../src/local/local-config.ts";
import { gatewayAt, gatewayNamed, service, stateOf, workload } from "../fixtures.ts";

const EVERYTHING = `
workloads:
- uid: cluster//Pod/shop/web-1
  name: web-1
  namespace: shop
  serviceAccount: web
  trustDomain: example.org
  workloadIps: [10.0.0.1, "fd00::1"]
  protocol: HBONE
  networkMode: HostNetwork
  network: near
  node: node-a
  workloadType: deployment
  workloadName: web
  canonicalName: web
  canonicalRevision: v2
  clusterId: first
  status: Unhealthy
  capacity: 3
  nativeTunnel: true
  authorizationPolicies: [shop/only-front]
  applicationTunnel: {protocol: PROXY, port: 15088}
  locality: {region: r, zone: z, subzone: s}
  waypoint: {destination: /10.0.0.9, hboneMtlsPort: 15008}
  networkGateway: {destination: shop/gateway.example, hboneMtlsPort: 15009}
  services:
    shop/web.shop.svc.cluster.local: {80: 8080}
services:
- name: web
  namespace: shop
  hostname: web.shop.svc.cluster.local
  vips: [/10.96.0.1, near/10.96.0.1]
  cidrVips: [{network: "", cidr: 10.97.0.0/16}]
  ports: {80: 8080, 443: 0}
  subjectAltNames: ["spiffe://example.org/ns/shop/sa/web"]
  loadBalancer: {mode: Failover, routingPreferences: [Network, Region], healthPolicy: AllowAll}
  ipFamilies: Dual
  canonical: true
  visibility: Namespace
  waypoint: {destination: shop/waypoint.example}
  weightedWaypoints: [{destination: {destination: /10.0.0.9}, weight: 5}]
policies:
- name: only-front
  namespace: shop
  scope: WorkloadSelector
  action: Deny
  dryRun: true
  rules:
  - - - principals: [{Exact: example.org/ns/shop/sa/front}]
        notNamespaces: [{Prefix: kube-}, {Suffix: -system}, {Presence: []}]
        serviceAccounts: [{namespace: shop, serviceAccount: front}]
        sourceIps: [10.0.0.0/8]
        notDestinationIps: [10.0.0.1]
        destinationPorts: [80]
`;

describe("a local configuration", () => {
  it("holds all that a control plane could say", () => {
    const { workloads, services, policies } = parseLocalConfig(EVERYTHING);
    expect(workloads).toMatchObject([
      {
        uid: "cluster//Pod/shop/web-1",
        identity: "spiffe://example.org/ns/shop/sa/web",
        addresses: ["10.0.0.1", "fd00::1"],
        protocol: "HBONE",
        networkMode: "HostNetwork",
        status: "Unhealthy",
        capacity: 3,
        nativeTunnel: true,
        applicationTunnel: { protocol: "PROXY", port: 15_088 },
        locality: { region: "r", zone: "z", subzone: "s" },
        waypoint: { destination: { kind: "address", network: "", ip: "10.0.0.9" }, hboneMtlsPort: 15_008 },
        networkGateway: { destination: { kind: "hostname", hostname: "gateway.example" }, hboneMtlsPort: 15_009 },
      },
    ]);
    expect(workloads[0]?.services.get("shop/web.shop.svc.cluster.local")).toEqual(new Map([[80, 8080]]));
    expect(services).toMatchObject([
      {
        vips: [
          { network: "", ip: "10.96.0.1" },
          { network: "near", ip: "10.96.0.1" },
        ],
        cidrVips: [{ network: "", ip: "10.97.0.0", length: 16 }],
        identities: ["spiffe://example.org/ns/shop/sa/web"],
        loadBalancer: { mode: "Failover", routingPreferences: ["Network", "Region"], healthPolicy: "AllowAll" },
        ipFamilies: "Dual",
        visibility: "Namespace",
        waypoint: { hboneMtlsPort: 15_008 },
        weightedWaypoints: [{ weight: 5 }],
      },
    ]);
    expect(policies.map(({ policy }) => policy.key)).toEqual(["shop/only-front"]);
    const state = stateOf();
    applyLocalConfig(state, { workloads, services, policies });
    expect(state.find({ network: "", ip: "10.97.3.4" }, "shop")?.kind).toBe("service");
    expect(state.services.byKey("shop/web.shop.svc.cluster.local")?.endpoints.size).toBe(1);
    expect(state.policies.size).toBe(1);
  });

  it("reads back what config_dump shows", () => {
    const { policies } = parseLocalConfig(EVERYTHING);
    const rest = {
      waypoint: gatewayAt("10.0.0.9"),
      networkGateway: gatewayNamed("gw.example"),
      locality: { region: "r" },
    };
    const one = workload("one", ["10.0.0.1"], { ...rest, applicationTunnel: { protocol: 1, port: 1 }, capacity: 0 });
    const web = service("web", ["10.9.0.1", "10.10.0.0/16"], {
      loadBalancing: { mode: 1, routingPreference: [4], healthPolicy: 1 },
      ipFamilies: 1,
      waypoint: gatewayNamed("wp.example"),
      weightedWaypoints: [{ destination: gatewayAt("10.0.0.9"), weight: 1 }],
    });
    const text = stringify({
      workloads: [{ ...dumpWorkload(one), services: {} }],
      services: [dumpService({ service: web, endpoints: new Map() })],
      policies: policies.map(({ source }) => dumpPolicy(source)),
    });
    const again = parseLocalConfig(text);
    expect(again.workloads).toEqual([one]);
    expect(again.services).toEqual([web]);
    expect(again.policies.map(({ source }) => dumpPolicy(source))).toEqual(
      policies.map(({ source }) => dumpPolicy(source)),
    );
  });

  it("may be empty", () => {
    expect(parseLocalConfig("")).toEqual({ workloads: [], services: [], policies: [] });
  });

  const minimal = "name: a, namespace: b, workloadIps: [], services: {}";
  test.each([
    ["no YAML", "a: [", "it is not YAML: "],
    ["no mapping", "- a", "it is not a mapping"],
    ["an unknown part", "gateways: []", "it.gateways is not known"],
    ["no list", "workloads: a", "it.workloads is not a list"],
    ["no addresses", "workloads: [{name: a, namespace: b, services: {}}]", "workloads[0].workloadIps is missing"],
    ["no services", "workloads: [{name: a, namespace: b, workloadIps: []}]", "workloads[0].services is missing"],
    ["an unknown key", `workloads: [{${minimal}, waypiont: 1}]`, "workloads[0].waypiont is not known"],
    ["an unknown protocol", `workloads: [{${minimal}, protocol: QUIC}]`, "workloads[0].protocol is none of TCP, HBONE"],
    ["a bad number", `workloads: [{${minimal}, capacity: many}]`, "workloads[0].capacity is not a whole number"],
    ["a bad flag", `workloads: [{${minimal}, nativeTunnel: 1}]`, "workloads[0].nativeTunnel is neither true nor false"],
    ["a bad text", `workloads: [{${minimal}, node: []}]`, "workloads[0].node is not a text"],
    ["a bad gateway", `workloads: [{${minimal}, waypoint: {destination: x}}]`, 'holds "x" without a slash'],
    [
      "a bad address",
      "workloads: [{name: a, namespace: b, workloadIps: [x], services: {}}]",
      'holds "x", which is no IP',
    ],
    [
      "a service of another form",
      "workloads: [{name: a, namespace: b, workloadIps: [], services: {x: {}}}]",
      "workloads[0] is no good: services has the key",
    ],
    [
      "a bad port",
      "services: [{name: a, namespace: b, hostname: c, vips: [], ports: {http: 80}}]",
      "services[0].ports.http is not a port",
    ],
    [
      "a bad range",
      "services: [{name: a, namespace: b, hostname: c, vips: [], ports: {}, cidrVips: [{cidr: 10.0.0.0/x}]}]",
      "is not a range of addresses",
    ],
    [
      "an unknown scope",
      "services: [{name: a, namespace: b, hostname: c, vips: [], ports: {}, loadBalancer: {routingPreferences: [Planet]}}]",
      "names Planet, which is none of",
    ],
    ["a policy without a name", "policies: [{namespace: a}]", "policies[0].name is missing"],
    ["an unknown pattern", "policies: [{name: a, rules: [[[{principals: [{Glob: x}]}]]]}]", "is none of Exact, Prefix"],
    [
      "two patterns in one",
      "policies: [{name: a, rules: [[[{principals: [{Exact: x, Prefix: y}]}]]]}]",
      "holds more than one pattern",
    ],
    ["a bad range of sources", "policies: [{name: a, rules: [[[{sourceIps: [x]}]]]}]", "no range of addresses"],
    ["a bad port of a policy", "policies: [{name: a, rules: [[[{destinationPorts: [x]}]]]}]", "is not a port"],
  ])("with %s is refused, with the place", (_name, text, expected) => {
    expect(() => parseLocalConfig(text)).toThrow(expected);
  });
});
