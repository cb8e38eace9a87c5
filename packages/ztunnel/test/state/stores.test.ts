// SPDX-License-Identifier: Apache-2.0
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import { compileAuthorization, connectionFacts } from "@ambientmesh/authz";
import { describe, expect, it, test } from "vitest";
import { PolicyStore, type PolicyResource } from "../../src/state/policy-store.ts";
import { serviceKey } from "../../src/state/model.ts";
import { partOf, resourceOf, service, stateOf, workload } from "../fixtures.ts";

const at = (ip: string, network = ""): { network: string; ip: string } => ({ network, ip });
const hostname = (name: string): string => `${name}.default.svc.cluster.local`;

describe("workloads", () => {
  it("are found by uid, address and hostname until they are removed", () => {
    const web = workload("web", ["10.0.0.1", "fd00::1"], { hostname: "web.example" });
    const state = stateOf(web);
    const found = (): unknown[] => [
      state.workloads.byUid(web.uid),
      state.workloads.byAddress(at("10.0.0.1")),
      state.workloads.byAddress(at("fd00::1")),
      state.workloads.byHostname({ namespace: "default", hostname: "web.example" }),
      state.workloads.local(web),
    ];
    expect(found()).toEqual([web, web, web, web, web]);
    expect(state.workloads.byAddress(at("10.0.0.1", "other"))).toBeUndefined();
    state.applyAddresses([], [web.uid]);
    expect(found()).toEqual([undefined, undefined, undefined, undefined, undefined]);
    expect(state.workloads.size).toBe(0);
  });

  it("give up the addresses they no longer have", () => {
    const state = stateOf(workload("web", ["10.0.0.1"]));
    state.applyAddresses([resourceOf(workload("web", ["10.0.0.2"]))], []);
    expect(state.workloads.byAddress(at("10.0.0.1"))).toBeUndefined();
    expect(state.workloads.byAddress(at("10.0.0.2"))?.name).toBe("web");
  });

  it("of an address rank: pod with HBONE, pod, HBONE, other", () => {
    const entry = (uid: string, tunnelProtocol: 0 | 1) => workload("web", ["10.0.0.1"], { uid, tunnelProtocol });
    const all = [
      entry("c//Entry/d/other", 0),
      entry("c//Entry/d/hbone", 1),
      entry("c//Pod/d/tcp", 0),
      entry("c//Pod/d/hbone", 1),
    ];
    const state = stateOf(...all);
    for (const expected of all.toReversed()) {
      expect(state.workloads.byAddress(at("10.0.0.1"))).toBe(expected);
      state.applyAddresses([], [expected.uid]);
    }
    expect(state.workloads.byAddress(at("10.0.0.1"))).toBeUndefined();
  });

  it("on the host network are not found by address", () => {
    const state = stateOf(workload("web", ["10.0.0.1"], { networkMode: 1 }));
    expect(state.workloads.byAddress(at("10.0.0.1"))).toBeUndefined();
  });

  it("are local by node, name, namespace and service account", () => {
    const web = workload("web", ["10.0.0.1"]);
    const state = stateOf(web, workload("far", ["10.0.0.2"], { node: "node-b" }));
    expect(state.workloads.local({ name: "web", namespace: "default", serviceAccount: "web" })).toBe(web);
    expect(state.workloads.local({ name: "web", namespace: "default", serviceAccount: "other" })).toBeUndefined();
    expect(state.workloads.local({ name: "far", namespace: "default", serviceAccount: "far" })).toBeUndefined();
  });
});

describe("services", () => {
  it("share an address, even within a namespace, and leave it one by one", () => {
    const [one, two] = [service("one", ["10.9.0.1"]), service("two", ["10.9.0.1"])];
    const state = stateOf(one, two);
    expect(state.services.byAddress(at("10.9.0.1"), "default")?.service).toBe(one);
    state.applyAddresses([], [serviceKey(one)]);
    expect(state.services.byAddress(at("10.9.0.1"), "default")?.service).toBe(two);
    state.applyAddresses([], [serviceKey(two)]);
    expect(state.services.byAddress(at("10.9.0.1"), "default")).toBeUndefined();
  });

  const inNamespace = (namespace: string, rest = {}) =>
    service("web", ["10.9.0.1"], { namespace, hostname: "web.example", ...rest });
  test.each([
    [
      "the client's namespace first",
      [inNamespace("a"), inNamespace("b", { canonical: true }), inNamespace("c")],
      "c",
      "c",
    ],
    ["then the canonical one", [inNamespace("a"), inNamespace("b", { canonical: true })], "c", "b"],
    ["then the first", [inNamespace("a"), inNamespace("b")], "c", "a"],
    ["hidden ones never", [inNamespace("a", { visibility: 1, canonical: true }), inNamespace("b")], "c", "b"],
    ["hidden ones in their own namespace", [inNamespace("a", { visibility: 1 }), inNamespace("b")], "a", "a"],
    ["nothing if all are hidden", [inNamespace("a", { visibility: 1 })], "c", undefined],
    ["hidden ones where nobody asks from a namespace", [inNamespace("a", { visibility: 1 })], undefined, "a"],
  ])("of several: %s", (_name, services, client, expected) => {
    const state = stateOf(...services);
    expect(state.services.byAddress(at("10.9.0.1"), client)?.service.namespace).toBe(expected);
    expect(state.services.byHostname("web.example", client)?.service.namespace).toBe(expected);
  });

  const range = (name: string, cidr: string, rest = {}) => service(name, [cidr], { hostname: name, ...rest });
  test.each([
    ["an exact address first", [range("range", "10.9.0.0/24"), range("exact", "10.9.0.5")], "exact"],
    ["the longest prefix", [range("wide", "10.9.0.0/16"), range("narrow", "10.9.0.0/24")], "narrow"],
    [
      "the own namespace before the prefix",
      [range("own", "10.9.0.0/16"), range("far", "10.9.0.0/24", { namespace: "far" })],
      "own",
    ],
    [
      "the canonical of equals",
      [range("a", "10.9.0.0/24", { namespace: "a" }), range("b", "10.9.0.0/24", { namespace: "b", canonical: true })],
      "b",
    ],
    [
      "a range, if the exact one is hidden",
      [range("range", "10.9.0.0/24"), range("exact", "10.9.0.5", { namespace: "a", visibility: 1 })],
      "range",
    ],
    ["none of the other family", [range("v6", "::/0")], undefined],
    ["none beside it", [range("beside", "10.9.1.0/24")], undefined],
  ])("by range: %s", (_name, services, expected) => {
    const state = stateOf(...services);
    expect(state.services.byAddress(at("10.9.0.5"), "default")?.service.name).toBe(expected);
    state.applyAddresses([], services.map(serviceKey));
    expect(state.services.byAddress(at("10.9.0.5"), "default")).toBeUndefined();
  });

  // ztunnel 1.31 kept the first, stale endpoint set of a range.
  it("by range have the endpoints of now", () => {
    const state = stateOf(
      range("web", "10.9.0.0/24"),
      workload("a", ["10.0.0.1"], { services: { "default/web": {} } }),
    );
    const uids = (): string[] => [...(state.services.byAddress(at("10.9.0.5"))?.endpoints.keys() ?? [])];
    expect(uids()).toHaveLength(1);
    state.applyAddresses([resourceOf(workload("b", ["10.0.0.2"], { services: { "default/web": {} } }))], []);
    expect(uids()).toHaveLength(2);
    state.applyAddresses([], [workload("a", []).uid]);
    expect(uids()).toEqual([workload("b", []).uid]);
  });
});

describe("endpoints", () => {
  const key = `default/${hostname("web")}`;

  it("wait for their service", () => {
    const state = stateOf(workload("a", ["10.0.0.1"], { services: partOf("web") }));
    expect([...state.services.staged()].map(([name, endpoints]) => [name, endpoints.size])).toEqual([[key, 1]]);
    state.applyAddresses([resourceOf(service("web", ["10.9.0.1"]))], []);
    expect(state.services.byKey(key)?.endpoints.size).toBe(1);
    expect([...state.services.staged()]).toEqual([]);
  });

  it("stay when the service is sent again, and come back after it was gone", () => {
    const state = stateOf(service("web", []), workload("a", ["10.0.0.1"], { services: partOf("web") }));
    state.applyAddresses([resourceOf(service("web", ["10.9.0.2"]))], []);
    expect(state.services.byKey(key)?.endpoints.size).toBe(1);
    state.applyAddresses([], [key]);
    state.applyAddresses([resourceOf(service("web", []))], []);
    expect(state.services.byKey(key)?.endpoints.size).toBe(1);
  });

  it("are used while healthy, or always where the service says so", () => {
    const sick = workload("a", ["10.0.0.1"], { services: partOf("web"), status: 1 });
    const well = workload("a", ["10.0.0.1"], { services: partOf("web") });
    const state = stateOf(service("web", []), sick);
    const size = (): number | undefined => state.services.byKey(key)?.endpoints.size;
    expect(size()).toBe(0);
    state.applyAddresses([resourceOf(well)], []);
    expect(size()).toBe(1);
    state.applyAddresses([resourceOf(sick)], []);
    expect(size()).toBe(0);
    state.applyAddresses([resourceOf(service("web", [], { loadBalancing: { healthPolicy: 1 } }))], []);
    expect(size()).toBe(1);
  });

  it("leave with their workload or when it leaves the service", () => {
    const state = stateOf(service("web", []), workload("a", ["10.0.0.1"], { services: partOf("web") }));
    state.applyAddresses([resourceOf(workload("a", ["10.0.0.1"]))], []);
    expect(state.services.byKey(key)?.endpoints.size).toBe(0);
    state.applyAddresses([resourceOf(workload("a", ["10.0.0.1"], { services: partOf("web", "gone") }))], []);
    state.applyAddresses([], [workload("a", []).uid]);
    expect(state.services.byKey(key)?.endpoints.size).toBe(0);
    expect([...state.services.staged()]).toEqual([]);
  });
});

describe("policies", () => {
  const policy = (name: string, rest: MessageInitShape<typeof AuthorizationSchema> = {}): PolicyResource => {
    const source = create(AuthorizationSchema, { name, namespace: "default", action: 1, groups: [{}], ...rest });
    return { policy: compileAuthorization(source).policy, source };
  };
  const facts = connectionFacts({ sourceIp: "10.0.0.9", destinationIp: "10.0.0.1", destinationPort: 80 });
  const denier = (store: PolicyStore, authorizationPolicies: string[] = [], namespace = "default"): unknown => {
    const { reason } = store.judge(workload("web", [], { authorizationPolicies, namespace }), facts);
    return reason.kind === "denied" ? reason.policy : undefined;
  };

  it("apply by scope, and are forgotten by name", () => {
    const store = new PolicyStore();
    store.apply([policy("here", { scope: 1 }), policy("chosen", { scope: 2 })], []);
    expect([store.size, store.has("default/here"), [...store.all()].map(({ name }) => name)]).toEqual([
      2,
      true,
      ["here", "chosen"],
    ]);
    expect(denier(store)).toBe("default/here");
    expect(denier(store, [], "far")).toBeUndefined();
    expect(denier(store, ["default/chosen"], "far")).toBe("default/chosen");
    expect(store.missing(workload("web", [], { authorizationPolicies: ["default/gone"] }))).toEqual(["default/gone"]);
    store.apply([], ["default/here"]);
    expect(denier(store)).toBeUndefined();
    expect(store.size).toBe(1);
  });

  it("are replaced", () => {
    const store = new PolicyStore();
    store.apply([policy("p", { scope: 0 })], []);
    expect(denier(store, [], "far")).toBe("default/p");
    store.apply([policy("p", { scope: 1 })], ["default/p"]);
    expect(denier(store, [], "far")).toBeUndefined();
    expect(denier(store)).toBe("default/p");
  });
});
