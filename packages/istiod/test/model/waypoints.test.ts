// SPDX-License-Identifier: Apache-2.0
import { fromBinary, type JsonValue } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { PolicySet, compileAuthorization, connectionFacts } from "@ambientmesh/authz";
import { describe, expect, it, test } from "vitest";
import { addressesOf, authorizationsOf, modelOf, policiesOf } from "../support/translate.ts";

const SERVICE = "shop/web.shop.svc.cluster.local";
const POD = "c1//Pod/shop/p";
const HOST = "waypoint.shop.svc.cluster.local";
const READY = `addresses: [{ type: IPAddress, value: 10.1.9.9 }, { type: Hostname, value: ${HOST} }]`;

interface World {
  readonly namespace?: string;
  readonly service?: string;
  readonly pod?: string;
  readonly gateway?: string;
  readonly listener?: string;
  readonly status?: string;
  readonly more?: string;
}

/** Namespace shop with a Service, a pod and a Gateway "waypoint", with labels and fields as given. */
function world({ namespace = "", service = "", pod = "", gateway = "", ...rest }: World): string {
  const { listener = "", status = READY, more = "" } = rest;
  return `
apiVersion: v1
kind: Namespace
metadata: { name: shop, ${namespace} }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop, ${service} }
spec: { clusterIP: 10.1.0.1 }
---
apiVersion: v1
kind: Pod
metadata: { name: p, namespace: shop, ${pod} }
spec: { containers: [] }
status: { phase: Running, podIP: 10.0.0.1 }
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: waypoint, namespace: shop, ${gateway} }
spec: { gatewayClassName: istio-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE, ${listener} }] }
status: { ${status} }
${more}`;
}

const labels = (text: string): string => `labels: { ${text} }`;
const USE = labels("istio.io/use-waypoint: waypoint");
const hostname = { hboneMtlsPort: 15_008, hostname: { namespace: "shop", hostname: HOST } };

function waypointOf(yaml: string, name: string): JsonValue | undefined {
  return (addressesOf(modelOf(yaml))[name] as Record<string, JsonValue>)["waypoint"];
}

describe("the waypoint of a service", () => {
  test.each<readonly [string, World, unknown]>([
    ["none where nobody asks", {}, undefined],
    ["by its own label", { service: USE }, hostname],
    ["by its namespace's label", { namespace: USE }, hostname],
    ["none where it opts out", { namespace: USE, service: labels("istio.io/use-waypoint: none") }, undefined],
    ["none where the Gateway has no address", { service: USE, status: "addresses: []" }, undefined],
    [
      "none where its own is missing, whatever the namespace has",
      { namespace: USE, service: labels("istio.io/use-waypoint: gone") },
      undefined,
    ],
    [
      "by address where the Gateway has no host name",
      { service: USE, status: "addresses: [{ value: 10.1.9.9 }]" },
      { hboneMtlsPort: 15_008, address: { address: "CgEJCQ==" } },
    ],
    [
      "none where the Gateway serves workloads only",
      { service: USE, gateway: labels("istio.io/waypoint-for: workload") },
      undefined,
    ],
    ["of a Gateway for everything", { service: USE, gateway: labels("istio.io/waypoint-for: all") }, hostname],
    ["none where the class is for nothing", { service: USE, more: gatewayClass("none") }, undefined],
    [
      "the Gateway's label before the class's",
      { service: USE, gateway: labels("istio.io/waypoint-for: service"), more: gatewayClass("none") },
      hostname,
    ],
    [
      "none for a waypoint's own service",
      { namespace: USE, service: labels("gateway.istio.io/managed: istio.io-mesh-controller") },
      undefined,
    ],
  ])("%s", (_what, setup, expected) => {
    expect(waypointOf(world(setup), SERVICE)).toEqual(expected);
  });
});

function gatewayClass(traffic: string): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: { name: istio-waypoint, labels: { istio.io/waypoint-for: ${traffic} } }
spec: { controllerName: istio.io/mesh-controller }
`;
}

describe("a waypoint of another namespace", () => {
  const foreign = (routes: string, namespaceLabels = ""): string =>
    world({
      listener: `allowedRoutes: { namespaces: { ${routes} } }`,
      more: `---
apiVersion: v1
kind: Namespace
metadata: { name: bank, labels: { ${namespaceLabels} } }
---
apiVersion: v1
kind: Service
metadata: { name: ledger, namespace: bank, labels: { istio.io/use-waypoint: waypoint, istio.io/use-waypoint-namespace: shop } }
spec: { clusterIP: 10.1.0.2 }
`,
    });
  const name = "bank/ledger.bank.svc.cluster.local";

  test.each([
    ["", "", undefined],
    ["from: Same", "", undefined],
    ["from: None", "", undefined],
    ["from: All", "", hostname],
    ["from: Selector", "", undefined],
    ["from: Selector, selector: { matchLabels: { team: a } }", "team: b", undefined],
    ["from: Selector, selector: { matchLabels: { team: a } }", "team: a", hostname],
  ])("with { %s }, a namespace { %s }", (routes, namespaceLabels, expected) => {
    expect(waypointOf(foreign(routes, namespaceLabels), name)).toEqual(expected);
  });

  it("is lost when the namespace loses its label", () => {
    const model = modelOf(foreign("from: Selector, selector: { matchLabels: { team: a } }", "team: a"));
    const bank = model.sources.namespaces.get("bank");
    if (!bank) throw new Error("no namespace");
    model.sources.namespaces.set("bank", { ...bank, metadata: { name: "bank" } });
    model.graph.settle();
    expect(addressesOf(model)[name]).not.toHaveProperty("waypoint");
  });
});

describe("the waypoint of a pod", () => {
  const WORKLOADS = labels("istio.io/waypoint-for: workload");
  test.each<readonly [string, World, unknown]>([
    ["by its own label", { pod: USE, gateway: WORKLOADS }, hostname],
    ["by its namespace's label", { namespace: USE, gateway: WORKLOADS }, hostname],
    ["none of a Gateway for services", { pod: USE }, undefined],
    [
      "none for the waypoint itself",
      { namespace: USE, gateway: WORKLOADS, pod: labels("gateway.networking.k8s.io/gateway-name: waypoint") },
      undefined,
    ],
  ])("%s", (_what, setup, expected) => {
    expect(waypointOf(world(setup), POD)).toEqual(expected);
  });

  test.each([
    ["PROXY/15088", { protocol: "PROXY", port: 15_088 }],
    ["PROXY", { protocol: "PROXY" }],
    ["NONE/15080", { port: 15_080 }],
    ["OTHER", undefined],
    ["PROXY/99999", undefined],
  ])("a waypoint behind a sandwich says %s", (binding, expected) => {
    const yaml = world({
      gateway: `annotations: { ambient.istio.io/waypoint-inbound-binding: ${binding} }`,
      pod: labels("gateway.networking.k8s.io/gateway-name: waypoint"),
    });
    expect((addressesOf(modelOf(yaml))[POD] as Record<string, JsonValue>)["applicationTunnel"]).toEqual(expected);
  });
});

describe("bindings", () => {
  test.each<readonly [string, World, unknown]>([
    [
      "a missing waypoint",
      { service: labels("istio.io/use-waypoint: gone") },
      { kind: "refused", reason: "WaypointIsNotReady" },
    ],
    [
      "a waypoint of another kind",
      { service: USE, gateway: labels("istio.io/waypoint-for: workload") },
      { kind: "refused", reason: "UnsupportedTrafficType" },
    ],
    [
      "one inherited, of another kind",
      { namespace: USE, gateway: labels("istio.io/waypoint-for: workload") },
      undefined,
    ],
    ["a good one", { service: USE }, { kind: "bound", isIngressBound: false, canaryProblem: undefined }],
    [
      "with ingress",
      { namespace: labels("istio.io/use-waypoint: waypoint, istio.io/ingress-use-waypoint: 'true'") },
      { kind: "bound", isIngressBound: true },
    ],
  ])("%s", (_what, setup, expected) => {
    const binding = modelOf(world(setup)).bindings.services.get("shop/web");
    expect({ binding }).toMatchObject({ binding: expected });
  });
});

describe("a canary", () => {
  const canary = (weight: string, name = "canary"): World => ({
    service: `${labels(`istio.io/use-waypoint: waypoint, istio.io/use-waypoint-canary: ${name}`)}, annotations: { istio.io/use-waypoint-canary-weight: "${weight}" }`,
    more: `---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: canary, namespace: shop }
spec: { gatewayClassName: istio-waypoint }
status: { addresses: [{ type: Hostname, value: canary.shop.svc.cluster.local }] }
`,
  });

  it.each([
    ["0", [100, undefined]],
    ["20", [80, 20]],
    ["100", [undefined, 100]],
  ])("of weight %s", (weight, weights) => {
    const service = addressesOf(modelOf(world(canary(weight))))[SERVICE] as Record<string, JsonValue>;
    expect(service["waypoint"]).toEqual(hostname);
    const shares = service["weightedWaypoints"] as { destination: JsonValue; weight?: number }[];
    expect(shares.map((share) => share.weight)).toEqual(weights);
    expect(shares[1]?.destination).toMatchObject({ hostname: { hostname: "canary.shop.svc.cluster.local" } });
  });

  test.each([
    ["101", "canary", "CanaryInvalidWeight"],
    ["-1", "canary", "CanaryInvalidWeight"],
    ["", "canary", "CanaryInvalidWeight"],
    ["20", "waypoint", "CanarySameAsPrimary"],
    ["20", "gone", "WaypointIsNotReady"],
  ])("of weight %j named %s is left out: %s", (weight, name, problem) => {
    const model = modelOf(world(canary(weight, name)));
    expect(addressesOf(model)[SERVICE]).not.toHaveProperty("weightedWaypoints");
    expect(addressesOf(model)[SERVICE]).toHaveProperty("waypoint");
    const binding = model.bindings.services.get("shop/web") as { canaryProblem: string };
    expect(binding.canaryProblem).toMatch(problem);
  });
});

describe("only through the waypoint", () => {
  const ONLY = "ambientmesh.io/only-through-waypoint: 'true'";
  const POLICY = "shop/only_through_waypoint_web";
  /** The world's pod in the world's service. */
  const guarded = (labelText: string, setup: World = {}): string =>
    world({ ...setup, service: labels(`${ONLY}, ${labelText}`), pod: labels("app: web") }).replace(
      "spec: { clusterIP: 10.1.0.1 }",
      "spec: { clusterIP: 10.1.0.1, selector: { app: web } }",
    );
  const but = (...accounts: string[]): object => ({
    groups: [{ rules: [{ matches: [{ notPrincipals: accounts.map((exact) => ({ exact })) }] }] }],
  });
  const everybody = { groups: [{}] };

  test.each<readonly [string, string, object]>([
    [
      "refuses everybody but the waypoint",
      guarded("istio.io/use-waypoint: waypoint"),
      but("cluster.local/ns/shop/sa/waypoint"),
    ],
    [
      "knows the waypoint's own service account",
      guarded("istio.io/use-waypoint: waypoint", { gateway: "annotations: { gateway.istio.io/service-account: wp }" }),
      but("cluster.local/ns/shop/sa/wp"),
    ],
    [
      "refuses everybody while the waypoint is not ready",
      guarded("istio.io/use-waypoint: waypoint", { status: "addresses: []" }),
      everybody,
    ],
    ["refuses everybody where no waypoint is asked for", guarded("a: b"), everybody],
  ])("%s", (_what, yaml, expected) => {
    const model = modelOf(yaml);
    expect(authorizationsOf(model)[POLICY]).toEqual({
      name: "only_through_waypoint_web",
      namespace: "shop",
      scope: "WORKLOAD_SELECTOR",
      action: "DENY",
      ...expected,
    });
    expect(policiesOf(model, POD)).toEqual([POLICY]);
  });

  it("is nothing without the label", () => {
    const model = modelOf(world({ service: USE }));
    expect(authorizationsOf(model)).toEqual({});
    expect(policiesOf(model, POD)).toEqual([]);
  });

  it("holds for plaintext and other identities, not for the waypoint", () => {
    const model = modelOf(guarded("istio.io/use-waypoint: waypoint"));
    const value = model.authorizations.get(POLICY)?.value ?? new Uint8Array();
    const { policy, problems } = compileAuthorization(fromBinary(AuthorizationSchema, value));
    expect(problems).toEqual([]);
    const policies = new PolicySet();
    policies.set(policy);
    const isAllowed = (serviceAccount?: string): boolean => {
      const identity =
        serviceAccount === undefined ? undefined : { trustDomain: "cluster.local", namespace: "shop", serviceAccount };
      const facts = connectionFacts({ sourceIp: "10.0.0.9", destinationIp: "10.0.0.1", destinationPort: 80, identity });
      return policies.evaluate({ namespace: "shop", policyNames: [POLICY] }, facts).allowed;
    };
    expect([undefined, "other", "waypoint"].map(isAllowed)).toEqual([false, false, true]);
  });
});
