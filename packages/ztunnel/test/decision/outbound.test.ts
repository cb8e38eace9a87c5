// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import type { DecisionContext } from "../../src/decision/context.ts";
import { planOutbound, type OutboundPlan } from "../../src/decision/outbound.ts";
import type { Service, Workload } from "../../src/state/model.ts";
import { gatewayAt, gatewayNamed, partOf, service, stateOf, workload } from "../fixtures.ts";

const source = workload("source", ["127.0.0.9"]);
const SOURCE_ID = "spiffe://cluster.local/ns/default/sa/source";
const id = (name: string): string => `spiffe://cluster.local/ns/default/sa/${name}`;

function plan(
  objects: readonly (Workload | Service)[],
  destination: string,
  options: { source?: Workload; random?: () => number; excluded?: string[] } = {},
): OutboundPlan {
  const state = stateOf(source, ...objects);
  const context: DecisionContext = {
    state,
    network: "",
    illegalPorts: new Set([15_001, 15_006, 15_008]),
    isLocalhostAppTunnel: true,
    random: options.random ?? (() => 0),
  };
  const at = destination.lastIndexOf(":");
  const ip = destination.slice(0, at).replace(/^\[(.*)\]$/, "$1");
  return planOutbound(context, {
    source: options.source ?? source,
    sourceIp: "127.0.0.9",
    destination: { ip, port: Number(destination.slice(at + 1)) },
    ...(options.excluded && { excluded: new Set(options.excluded) }),
  });
}

/** A plan in one line. */
function show(result: OutboundPlan): string {
  if (result.kind === "refuse") return `refuse ${result.reason}: ${result.message}`;
  const { target } = result;
  const where = target.kind === "ip" ? `${target.ip}:${target.port}` : `${target.hostname}:${target.port}`;
  switch (result.kind) {
    case "passthrough":
      return `passthrough ${where}`;
    case "tcp":
      return `tcp ${where} (${result.workload.name})`;
    case "hbone":
      return `hbone ${where} (${result.workload.name}) ${result.via} ${JSON.stringify(result.authority)} ${result.expected.join(" ")}`;
    case "double-hbone":
      return `double ${where} (${result.workload.name}) ${result.authority} [${result.expected.join(" ")}] [${result.innerExpected.join(" ")}]`;
  }
}

const web = workload("web", ["10.0.0.2"]);
const webTcp = workload("web", ["10.0.0.2"], { tunnelProtocol: 0 });
const waypoint = workload("waypoint", ["10.0.0.10"]);
const webMember = workload("web", ["10.0.0.2"], { services: partOf("web") });
const webService = (rest = {}): Service => service("web", ["10.9.0.1"], rest);
const VIA = `hbone 10.0.0.10:15008 (waypoint)`;

describe("without a service", () => {
  test.each<[string, (Workload | Service)[], string, string]>([
    ["an unknown address", [], "1.2.3.4:80", "passthrough 1.2.3.4:80"],
    ["a workload outside the mesh", [webTcp], "10.0.0.2:80", "tcp 10.0.0.2:80 (web)"],
    ["a workload in the mesh", [web], "10.0.0.2:80", `hbone 10.0.0.2:15008 (web) direct "10.0.0.2:80" ${id("web")}`],
    [
      "one on another node",
      [workload("web", ["10.0.0.2"], { node: "node-b" })],
      "10.0.0.2:80",
      `hbone 10.0.0.2:15008 (web) direct "10.0.0.2:80" ${id("web")}`,
    ],
    [
      "an IPv6 workload",
      [workload("web", ["fd00::2"])],
      "[fd00::2]:80",
      `hbone fd00::2:15008 (web) direct "[fd00::2]:80" ${id("web")}`,
    ],
    [
      "a workload in another network",
      [workload("web", ["10.0.0.2"], { network: "far" })],
      "10.0.0.2:80",
      "passthrough 10.0.0.2:80",
    ],
    [
      "a pod on the host network",
      [workload("web", ["10.0.0.2"], { networkMode: 1 })],
      "10.0.0.2:80",
      "passthrough 10.0.0.2:80",
    ],
    ["a port of the proxy elsewhere", [], "1.2.3.4:15008", "passthrough 1.2.3.4:15008"],
    ["a port of the proxy itself", [], "127.0.0.1:15008", "refuse SELF_CALL: attempted recursive call to ourselves"],
    ["the same over IPv6", [], "[::1]:15001", "refuse SELF_CALL: attempted recursive call to ourselves"],
    ["another port of loopback", [], "127.0.0.1:80", "passthrough 127.0.0.1:80"],
  ])("%s", (_name, objects, destination, expected) => expect(show(plan(objects, destination))).toBe(expected));
});

describe("to a service", () => {
  test.each<[string, (Workload | Service)[], string, string]>([
    [
      "with an endpoint in the mesh",
      [webService(), webMember],
      "10.9.0.1:80",
      `hbone 10.0.0.2:15008 (web) direct "10.0.0.2:8080" ${id("web")}`,
    ],
    [
      "with names of its own",
      [webService({ subjectAltNames: [id("alt"), "web.example", id("web")] }), webMember],
      "10.9.0.1:80",
      `hbone 10.0.0.2:15008 (web) direct "10.0.0.2:8080" ${id("alt")} ${id("web")}`,
    ],
    [
      "with an endpoint outside",
      [webService(), workload("web", ["10.0.0.2"], { tunnelProtocol: 0, services: partOf("web") })],
      "10.9.0.1:80",
      "tcp 10.0.0.2:8080 (web)",
    ],
    ["without endpoints", [webService()], "10.9.0.1:80", "refuse NO_ENDPOINT: no healthy upstream: 10.9.0.1:80"],
    [
      "without the port",
      [webService(), webMember],
      "10.9.0.1:81",
      "refuse NO_ENDPOINT: no healthy upstream: 10.9.0.1:81",
    ],
    [
      "whose only endpoint is sick",
      [webService(), workload("web", ["10.0.0.2"], { services: partOf("web"), status: 1 })],
      "10.9.0.1:80",
      "refuse NO_ENDPOINT: no healthy upstream: 10.9.0.1:80",
    ],
    [
      "that wants to be left alone",
      [webService({ loadBalancing: { mode: 3 } }), webMember],
      "10.9.0.1:80",
      "passthrough 10.9.0.1:80",
    ],
    [
      "that wants to be left alone but has a waypoint",
      [webService({ loadBalancing: { mode: 3 }, waypoint: gatewayAt("10.0.0.10") }), waypoint],
      "10.9.0.1:80",
      `${VIA} service-waypoint "10.9.0.1:80" ${id("waypoint")}`,
    ],
    [
      "whose endpoint has a waypoint of its own",
      [
        webService(),
        waypoint,
        workload("web", ["10.0.0.2"], { services: partOf("web"), waypoint: gatewayAt("10.0.0.10") }),
      ],
      "10.9.0.1:80",
      `hbone 10.0.0.2:15008 (web) direct "10.0.0.2:8080" ${id("web")}`,
    ],
    [
      "whose address is a workload's too",
      [webService({ waypoint: gatewayAt("10.0.0.10") }), waypoint, workload("web", ["10.9.0.1"])],
      "10.9.0.1:80",
      `${VIA} service-waypoint "10.9.0.1:80" ${id("waypoint")}`,
    ],
    [
      "with a host-network endpoint",
      [webService(), workload("web", ["10.0.0.2"], { networkMode: 1, services: partOf("web") })],
      "10.9.0.1:80",
      `hbone 10.0.0.2:15008 (web) direct "10.0.0.2:8080" ${id("web")}`,
    ],
    [
      "by range",
      [service("web", ["10.9.0.0/24"]), webMember],
      "10.9.0.77:80",
      `hbone 10.0.0.2:15008 (web) direct "10.0.0.2:8080" ${id("web")}`,
    ],
    [
      "with an endpoint known by name only",
      [webService(), workload("web", [], { hostname: "web.example", services: partOf("web") })],
      "10.9.0.1:80",
      `hbone web.example:15008 (web) direct {"port":8080} ${id("web")}`,
    ],
    [
      "with an outside endpoint known by name only",
      [webService(), workload("web", [], { hostname: "web.example", tunnelProtocol: 0, services: partOf("web") })],
      "10.9.0.1:80",
      "tcp web.example:8080 (web)",
    ],
  ])("%s", (_name, objects, destination, expected) => expect(show(plan(objects, destination))).toBe(expected));

  const families = (ipFamilies: 1 | 2 | 3): object => ({ ipFamilies });
  const dual = (services = partOf("web")): Workload => workload("web", ["fd00::2", "10.0.0.2"], { services });
  test.each([
    ["the family of the call", {}, "10.9.0.1:80", "10.0.0.2"],
    ["the family of the call", {}, "[fd00::9]:80", "fd00::2"],
    ["IPv6 where the service is that", families(2), "10.9.0.1:80", "fd00::2"],
    ["IPv4 where the service is that", families(1), "[fd00::9]:80", "10.0.0.2"],
    ["the family of the call where it is both", families(3), "10.9.0.1:80", "10.0.0.2"],
  ])("takes %s (%o, %s)", (_name, rest, destination, ip) => {
    const result = plan([service("web", ["10.9.0.1", "fd00::9"], rest), dual()], destination);
    expect(result).toMatchObject({ kind: "hbone", target: { kind: "ip", ip } });
  });

  it("has no address to offer if its families exclude all of them", () => {
    const result = plan([service("web", ["10.9.0.1"], { ipFamilies: 2 }), webMember], "10.9.0.1:80");
    expect(result).toMatchObject({ kind: "refuse", reason: "NO_ADDRESS" });
  });

  it("leaves out endpoints that were tried", () => {
    const second = workload("second", ["10.0.0.3"], { services: partOf("web") });
    const all = [webService(), webMember, second];
    expect(plan(all, "10.9.0.1:80", { excluded: [webMember.uid] })).toMatchObject({ workload: { name: "second" } });
    expect(plan(all, "10.9.0.1:80", { excluded: [webMember.uid, second.uid] })).toMatchObject({
      reason: "NO_ENDPOINT",
    });
  });
});

describe("waypoints", () => {
  const waypointService = service("waypoint", ["10.9.0.10"], {
    ports: [{ servicePort: 15_008, targetPort: 15_108 }],
    subjectAltNames: [id("alt")],
  });
  const waypointMember = workload("waypoint", ["10.0.0.10"], { services: partOf("waypoint") });
  const guarded = (rest: object): Workload => workload("web", ["10.0.0.2"], rest);

  test.each<[string, (Workload | Service)[], string, string]>([
    [
      "of a workload, by its address",
      [guarded({ waypoint: gatewayAt("10.0.0.10") }), waypoint],
      "10.0.0.2:80",
      `${VIA} workload-waypoint "10.0.0.2:80" ${id("waypoint")}`,
    ],
    [
      "of a workload outside the mesh",
      [guarded({ tunnelProtocol: 0, waypoint: gatewayAt("10.0.0.10") }), waypoint],
      "10.0.0.2:80",
      `${VIA} workload-waypoint "10.0.0.2:80" ${id("waypoint")}`,
    ],
    [
      "of a workload, IPv6 call to an IPv4 waypoint",
      [workload("web", ["fd00::2"], { waypoint: gatewayAt("10.0.0.10") }), waypoint],
      "[fd00::2]:80",
      `${VIA} workload-waypoint "[fd00::2]:80" ${id("waypoint")}`,
    ],
    [
      "of a service, by a service address",
      [webService({ waypoint: gatewayAt("10.9.0.10") }), waypointService, waypointMember],
      "10.9.0.1:80",
      `hbone 10.0.0.10:15108 (waypoint) service-waypoint "10.9.0.1:80" ${id("alt")} ${id("waypoint")}`,
    ],
    [
      "of a service, by service name",
      [webService({ waypoint: gatewayNamed("waypoint.default.svc.cluster.local") }), waypointService, waypointMember],
      "10.9.0.1:80",
      `hbone 10.0.0.10:15108 (waypoint) service-waypoint "10.9.0.1:80" ${id("alt")} ${id("waypoint")}`,
    ],
    [
      "of a service, by a workload's name",
      [
        webService({ waypoint: gatewayNamed("wp.example") }),
        workload("waypoint", ["10.0.0.10"], { hostname: "wp.example" }),
      ],
      "10.9.0.1:80",
      `${VIA} service-waypoint "10.9.0.1:80" ${id("waypoint")}`,
    ],
    [
      "through an application tunnel, whatever ports the service has",
      [
        webService({ waypoint: gatewayAt("10.9.0.10") }),
        service("waypoint", ["10.9.0.10"], { ports: [] }),
        workload("waypoint", ["10.0.0.10"], {
          services: { "default/waypoint.default.svc.cluster.local": {} },
          applicationTunnel: { protocol: 1, port: 15_088 },
        }),
      ],
      "10.9.0.1:80",
      `${VIA} service-waypoint "10.9.0.1:80" ${id("waypoint")}`,
    ],
    [
      "that can't be resolved, of a service",
      [webService({ waypoint: gatewayAt("10.0.0.99") }), webMember],
      "10.9.0.1:80",
      "refuse WAYPOINT_UNKNOWN: unknown waypoint: /10.0.0.99",
    ],
    [
      "that can't be resolved, of a workload",
      [guarded({ waypoint: gatewayNamed("gone") })],
      "10.0.0.2:80",
      "refuse WAYPOINT_UNKNOWN: unknown waypoint: default/gone",
    ],
    [
      "without endpoints",
      [webService({ waypoint: gatewayAt("10.9.0.10") }), waypointService],
      "10.9.0.1:80",
      "refuse WAYPOINT_UNKNOWN: unknown waypoint: /10.9.0.10",
    ],
  ])("%s", (_name, objects, destination, expected) => expect(show(plan(objects, destination))).toBe(expected));

  it("are not sent to themselves", () => {
    const own = workload("source", ["127.0.0.9"]);
    expect(show(plan([own, guarded({ waypoint: gatewayAt("127.0.0.9") })], "10.0.0.2:80"))).toBe(
      `hbone 10.0.0.2:15008 (web) direct "10.0.0.2:80" ${id("web")}`,
    );
    const member = workload("source", ["127.0.0.9"], { services: partOf("waypoint") });
    expect(
      show(
        plan([waypointService, member, guarded({ waypoint: gatewayAt("10.9.0.10") })], "10.0.0.2:80", {
          source: member,
        }),
      ),
    ).toMatch("direct");
  });

  it("are not left out for others with their address or identity", () => {
    const samePod = workload("twin", ["127.0.0.9"], { serviceAccount: "other" });
    expect(
      show(
        plan([samePod, waypoint, guarded({ waypoint: gatewayAt("10.0.0.10") })], "10.0.0.2:80", { source: samePod }),
      ),
    ).toMatch("workload-waypoint");
    const sameIdentity = workload("waypoint", ["10.0.0.10"], { serviceAccount: "source" });
    expect(sameIdentity.identity).toBe(SOURCE_ID);
    expect(show(plan([sameIdentity, guarded({ waypoint: gatewayAt("10.0.0.10") })], "10.0.0.2:80"))).toMatch(
      "workload-waypoint",
    );
  });

  it("by weight: never with weight 0, the single one if all are 0", () => {
    const other = workload("canary", ["10.0.0.11"]);
    const weighted = (first: number, second: number): Service =>
      webService({
        waypoint: gatewayAt("10.0.0.10"),
        weightedWaypoints: [
          { destination: gatewayAt("10.0.0.10"), weight: first },
          { destination: gatewayAt("10.0.0.11"), weight: second },
        ],
      });
    const chosen = (svc: Service, random: number): unknown => {
      const result = plan([svc, waypoint, other], "10.9.0.1:80", { random: () => random });
      return result.kind === "hbone" ? result.workload.name : result;
    };
    const draws = [0, 0.3, 0.74, 0.76, 0.99];
    expect(draws.map((draw) => chosen(weighted(3, 1), draw))).toEqual([
      "waypoint",
      "waypoint",
      "waypoint",
      "canary",
      "canary",
    ]);
    expect(draws.map((draw) => chosen(weighted(0, 1), draw))).toEqual(Array(5).fill("canary"));
    expect(draws.map((draw) => chosen(weighted(0, 0), draw))).toEqual(Array(5).fill("waypoint"));
  });
});

describe("other networks", () => {
  const remote = (rest: object): Workload =>
    workload("web", ["10.0.0.2"], { network: "far", services: partOf("web"), ...rest });
  const gateway = workload("gateway", ["10.0.0.20"]);
  const svc = webService({ subjectAltNames: [id("web")] });

  test.each<[string, (Workload | Service)[], string]>([
    [
      "gateway by address",
      [svc, gateway, remote({ networkGateway: gatewayAt("10.0.0.20", 15_009) })],
      `double 10.0.0.20:15009 (gateway) web.default.svc.cluster.local:80 [${id("gateway")}] [${id("web")}]`,
    ],
    [
      "gateway by name",
      [
        svc,
        workload("gateway", ["10.0.0.20"], { hostname: "gw.example" }),
        remote({ networkGateway: gatewayNamed("gw.example") }),
      ],
      `double 10.0.0.20:15008 (gateway) web.default.svc.cluster.local:80 [${id("gateway")}] [${id("web")}]`,
    ],
    [
      "workload without address",
      [
        svc,
        gateway,
        workload("web", [], { network: "far", services: partOf("web"), networkGateway: gatewayAt("10.0.0.20") }),
      ],
      `double 10.0.0.20:15008 (gateway) web.default.svc.cluster.local:80 [${id("gateway")}] [${id("web")}]`,
    ],
    [
      "no gateway",
      [svc, remote({})],
      'refuse GATEWAY_UNKNOWN: unknown network gateway: Kubernetes//Pod/default/web in "far" names none',
    ],
    [
      "unknown gateway",
      [svc, remote({ networkGateway: gatewayAt("10.0.0.20") })],
      "refuse GATEWAY_UNKNOWN: unknown network gateway: /10.0.0.20",
    ],
    [
      "remote waypoint",
      [
        webService({ subjectAltNames: [id("web")], waypoint: gatewayAt("10.0.0.10", 15_008, "far") }),
        gateway,
        workload("waypoint", ["10.0.0.10"], { network: "far", networkGateway: gatewayAt("10.0.0.20") }),
      ],
      `double 10.0.0.20:15008 (gateway) web.default.svc.cluster.local:80 [${id("gateway")}] [${id("waypoint")}]`,
    ],
    [
      "failover when the local endpoint is sick",
      [
        webService({ subjectAltNames: [id("web")], loadBalancing: { mode: 2, routingPreference: [6] } }),
        gateway,
        workload("near", ["10.0.0.3"], { services: partOf("web"), status: 1 }),
        remote({ networkGateway: gatewayAt("10.0.0.20") }),
      ],
      `double 10.0.0.20:15008 (gateway) web.default.svc.cluster.local:80 [${id("gateway")}] [${id("web")}]`,
    ],
  ])("%s", (_name, objects, expected) => expect(show(plan(objects, "10.9.0.1:80"))).toBe(expected));
});
