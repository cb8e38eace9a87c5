// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { pickEndpoint, type PickRequest } from "../../src/decision/load-balancer.ts";
import type { Workload } from "../../src/state/model.ts";
import { partOf, service, stateOf, workload } from "../fixtures.ts";

const KEY = "default/web.default.svc.cluster.local";
type Locality = readonly [network: string, region: string, zone: string, node: string, cluster: string];

function placed(name: string, [network, region, zone, node, clusterId]: Locality, rest = {}): Workload {
  return workload(name, [`10.0.0.${name.length}`], {
    network,
    node,
    clusterId,
    locality: { region, zone, subzone: "" },
    services: partOf("web"),
    ...rest,
  });
}

/** Names of all endpoints that are ever picked. */
function picked(balancer: object, endpoints: readonly Workload[], overrides: Partial<PickRequest> = {}): string[] {
  const source = placed("source", ["n1", "r1", "z1", "node1", "c1"], { services: {} });
  const state = stateOf(service("web", [], { loadBalancing: balancer }), ...endpoints);
  const entry = state.services.byKey(KEY);
  if (!entry) throw new Error("no service");
  const request = { source, servicePort: 80, isForWaypoint: false, excluded: new Set<string>(), ...overrides };
  const names = new Set<string>();
  for (let round = 0; round < 50; round++) {
    const name = pickEndpoint(Math.random, entry, request)?.workload.name;
    if (name !== undefined) names.add(name);
  }
  return [...names].toSorted();
}

const here: Locality = ["n1", "r1", "z1", "node1", "c1"];
const zone2: Locality = ["n1", "r1", "z2", "node2", "c1"];
const region2: Locality = ["n1", "r2", "z9", "node3", "c1"];
const remote: Locality = ["n2", "r1", "z1", "node4", "c2"];
// Scopes by number: region 1, zone 2, subzone 3, node 4, cluster 5, network 6. Modes: standard 0, strict 1, failover 2.
const FAILOVER = { mode: 2, routingPreference: [6, 1, 2] };

describe("modes", () => {
  test.each([
    ["standard takes all", { mode: 0, routingPreference: [2] }, [here, zone2, region2], ["a", "bb", "ccc"]],
    ["failover prefers the zone", FAILOVER, [here, zone2, region2], ["a"]],
    ["then the region", FAILOVER, [region2, zone2], ["bb"]],
    ["then anything in the network", FAILOVER, [region2, remote], ["a"]],
    ["then another network", FAILOVER, [remote], ["a"]],
    [
      "failover stops at the first mismatch",
      { mode: 2, routingPreference: [1, 2] },
      [["n1", "r2", "z1", "x", "c"] as Locality, region2],
      ["a", "bb"],
    ],
    ["a network later in the list is one of many", { mode: 2, routingPreference: [1, 6] }, [remote, region2], ["a"]],
    ["failover by node", { mode: 2, routingPreference: [4] }, [zone2, here], ["bb"]],
    ["failover by cluster", { mode: 2, routingPreference: [5] }, [remote, zone2], ["bb"]],
    ["failover by subzone, which all share", { mode: 2, routingPreference: [3] }, [zone2, here], ["a", "bb"]],
    ["strict takes only what matches all", { mode: 1, routingPreference: [1, 2] }, [zone2, here], ["bb"]],
    ["strict takes nothing otherwise", { mode: 1, routingPreference: [1, 2] }, [zone2, region2], []],
  ])("%s", (_name, balancer, places, expected) => {
    expect(
      picked(
        balancer,
        places.map((place, at) => placed("abcdef".charAt(at).repeat(at + 1), place)),
      ),
    ).toEqual(expected);
  });
});

describe("candidates", () => {
  const plain = (name: string, rest = {}): Workload => placed(name, here, rest);
  const port = (servicePort: number, targetPort: number) => ({ [KEY]: { ports: [{ servicePort, targetPort }] } });

  test.each([
    ["an endpoint of capacity 0 never", {}, [plain("a", { capacity: 0 }), plain("b")], {}, ["b"]],
    ["none if all have capacity 0", {}, [plain("a", { capacity: 0 })], {}, []],
    ["none that was tried", {}, [plain("a"), plain("b")], { excluded: new Set([plain("a").uid]) }, ["b"]],
    ["none if the service lacks the port", {}, [plain("a")], { servicePort: 81 }, []],
    [
      "a waypoint without the port",
      {},
      [plain("a", { applicationTunnel: { protocol: 1 } }), plain("b")],
      { servicePort: 81, isForWaypoint: true },
      ["a"],
    ],
  ])("%s", (...[, balancer, endpoints, overrides, expected]) => {
    expect(picked(balancer, endpoints, overrides)).toEqual(expected);
  });

  it("without an address only where a gateway leads to them", () => {
    const bare = (name: string, network: string, rest = {}): Workload =>
      workload(name, [], { network, services: partOf("web"), ...rest });
    const gateway = { networkGateway: { destination: { case: "hostname", value: {} } as const } };
    expect(picked({}, [bare("a", "n1"), bare("b", "n1", gateway), bare("c", "n2"), bare("d", "n2", gateway)])).toEqual([
      "d",
    ]);
    expect(picked({}, [bare("a", "n1", { hostname: "a.example" })])).toEqual(["a"]);
  });

  test.each([
    ["the endpoint's", port(80, 9000), 8080, 9000],
    ["the service's", {}, 8080, 8080],
    ["the endpoint's for a named port", port(80, 9000), 0, 9000],
    ["nothing for a named port that the endpoint lacks", port(81, 9000), 0, undefined],
  ])("use %s target port", (_name, services, targetPort, expected) => {
    const endpoint = placed("a", here, { services: { [KEY]: {}, ...services } });
    const state = stateOf(service("web", [], { ports: [{ servicePort: 80, targetPort }] }), endpoint);
    const entry = state.services.byKey(KEY);
    const pick =
      entry &&
      pickEndpoint(() => 0, entry, {
        source: endpoint,
        servicePort: 80,
        isForWaypoint: false,
        excluded: new Set(),
      });
    expect(pick?.port).toBe(expected);
  });

  it("are drawn by capacity", () => {
    const state = stateOf(service("web", []), plain("a", { capacity: 1 }), plain("b", { capacity: 3 }));
    const entry = state.services.byKey(KEY);
    let seed = 1;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const counts = { a: 0, b: 0 };
    if (!entry) throw new Error("no service");
    for (let round = 0; round < 10_000; round++) {
      const pick = pickEndpoint(random, entry, {
        source: plain("s"),
        servicePort: 80,
        isForWaypoint: false,
        excluded: new Set(),
      });
      counts[pick?.workload.name as "a" | "b"]++;
    }
    expect(counts.b / 10_000).toBeGreaterThan(0.72);
    expect(counts.b / 10_000).toBeLessThan(0.78);
  });
});
