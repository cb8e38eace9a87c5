// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import type { DecisionContext } from "../../src/decision/context.ts";
import { inboundService, planInbound, statusOf, type InboundPlan } from "../../src/decision/inbound.ts";
import type { Service, Workload } from "../../src/state/model.ts";
import { gatewayAt, gatewayNamed, partOf, service, stateOf, workload } from "../fixtures.ts";

const POD = "10.0.0.2";
const contextOf = (...objects: readonly (Workload | Service)[]): DecisionContext => ({
  state: stateOf(...objects),
  network: "",
  illegalPorts: new Set([15_001, 15_006, 15_008]),
  isLocalhostAppTunnel: true,
  random: () => 0,
});

function show(plan: InboundPlan): string {
  return plan.kind === "refuse" ? `${statusOf(plan.reason)} ${plan.message}` : `${plan.target.ip}:${plan.target.port}`;
}

const web = workload("web", [POD], { services: partOf("web") });
const waypoint = workload("waypoint", [POD], { services: partOf("waypoint") });
const sandwiched = workload("waypoint", [POD], { applicationTunnel: { protocol: 0, port: 15_088 } });

test.each<[string, Workload, (Workload | Service)[], string, string]>([
  ["the pod's own address", web, [], "10.0.0.2:80", "10.0.0.2:80"],
  ["another address", web, [], "10.0.0.3:80", "400 ip mismatch: 10.0.0.2 != 10.0.0.3"],
  [
    "a known address without a waypoint",
    web,
    [workload("x", ["10.0.0.3"])],
    "10.0.0.3:80",
    "400 ip mismatch: 10.0.0.2 != 10.0.0.3",
  ],
  [
    "a service of ours by address",
    web,
    [service("web", ["10.9.0.1"])],
    "10.9.0.1:80",
    "400 ip mismatch: 10.0.0.2 != 10.9.0.1",
  ],
  [
    "a workload that we are the waypoint of",
    waypoint,
    [workload("x", ["10.0.0.3"], { waypoint: gatewayAt(POD) })],
    "10.0.0.3:80",
    "10.0.0.2:80",
  ],
  [
    "a service that we are the waypoint of, by our pod",
    waypoint,
    [service("x", ["10.9.0.1"], { waypoint: gatewayAt(POD) })],
    "10.9.0.1:80",
    "10.0.0.2:80",
  ],
  [
    "a service that we are the waypoint of, by our service",
    waypoint,
    [service("waypoint", ["10.9.0.10"]), service("x", ["10.9.0.1"], { waypoint: gatewayAt("10.9.0.10") })],
    "10.9.0.1:80",
    "10.0.0.2:80",
  ],
  [
    "a service that we are the waypoint of, by our service's name",
    waypoint,
    [
      service("waypoint", []),
      service("x", ["10.9.0.1"], { waypoint: gatewayNamed("waypoint.default.svc.cluster.local") }),
    ],
    "10.9.0.1:80",
    "10.0.0.2:80",
  ],
  [
    "a service that we are a canary waypoint of",
    waypoint,
    [
      service("x", ["10.9.0.1"], {
        waypoint: gatewayAt("10.0.0.77"),
        weightedWaypoints: [{ weight: 1, destination: gatewayAt(POD) }],
      }),
    ],
    "10.9.0.1:80",
    "10.0.0.2:80",
  ],
  [
    "a service with another waypoint",
    waypoint,
    [service("x", ["10.9.0.1"], { waypoint: gatewayAt("10.0.0.77") })],
    "10.9.0.1:80",
    "400 ip mismatch: 10.0.0.2 != 10.9.0.1",
  ],
  [
    "a workload with another waypoint service",
    waypoint,
    [service("other", ["10.9.0.11"]), workload("x", ["10.0.0.3"], { waypoint: gatewayAt("10.9.0.11") })],
    "10.0.0.3:80",
    "400 ip mismatch: 10.0.0.2 != 10.0.0.3",
  ],
  ["anything through an application tunnel", sandwiched, [], "10.9.0.1:80", "10.0.0.2:15088"],
  [
    "through an application tunnel that keeps the port",
    workload("waypoint", [POD], { applicationTunnel: {} }),
    [],
    "10.9.0.1:80",
    "10.0.0.2:80",
  ],
  [
    "a hostname",
    web,
    [service("web", [], { ports: [{ servicePort: 80, targetPort: 8080 }] })],
    "web.default.svc.cluster.local:80",
    "10.0.0.2:8080",
  ],
  [
    "a hostname, port by the workload",
    workload("web", [POD], {
      services: { "default/web.default.svc.cluster.local": { ports: [{ servicePort: 80, targetPort: 9000 }] } },
    }),
    [service("web", [], { ports: [{ servicePort: 80, targetPort: 0 }] })],
    "web.default.svc.cluster.local:80",
    "10.0.0.2:9000",
  ],
  [
    "a hostname, named port that we lack",
    workload("web", [POD]),
    [service("web", [], { ports: [{ servicePort: 80, targetPort: 0 }] })],
    "web.default.svc.cluster.local:80",
    "503 no port for service: web.default.svc.cluster.local:80",
  ],
  [
    "a hostname without the port",
    web,
    [service("web", [])],
    "web.default.svc.cluster.local:81",
    "503 no port for service: web.default.svc.cluster.local:81",
  ],
  ["an unknown hostname", web, [], "gone.example:80", "503 no service for hostname: gone.example"],
  ["a port of the proxy", web, [], "10.0.0.2:15008", "503 illegal port: 15008 belongs to the proxy"],
  [
    "a port of the proxy by hostname",
    waypoint,
    [service("web", [], { ports: [{ servicePort: 80, targetPort: 15_001 }] })],
    "web.default.svc.cluster.local:80",
    "503 illegal port: 15001 belongs to the proxy",
  ],
  ["no port", web, [], "10.0.0.2", '400 invalid authority: "10.0.0.2"'],
  ["nonsense", web, [], 'a"\n:80', String.raw`400 invalid authority: "a\"\n:80"`],
])("a tunnel to %s", (...[, local, others, authority, expected]) => {
  expect(show(planInbound(contextOf(local, ...others), { local, podIp: POD, method: "CONNECT", authority }))).toBe(
    expected,
  );
});

test.each(["GET", "", "connect"])("method %j is refused", (method) => {
  const plan = planInbound(contextOf(web), { local: web, podIp: POD, method, authority: "10.0.0.2:80" });
  expect(show(plan)).toBe(`400 http method ${JSON.stringify(method)} is not CONNECT`);
});

describe("the service counted", () => {
  const many = workload("web", [POD], { services: partOf("one", "two", "gone") });
  const one = service("one", []);
  const two = service("two", []);
  const context = contextOf(many, one, two);

  it.each([
    ["what the client meant", 8080, "two.default.svc.cluster.local", two],
    ["the first with the port", 8080, undefined, one],
    ["the first with the port, if the client meant another's", 8080, "foreign.example", one],
    ["nothing without the port", 81, undefined, undefined],
  ])("is %s", (_name, port, forwardedHost, expected) => {
    expect(inboundService(context, many, { port, forwardedHost })).toBe(expected);
  });
});

describe("a proxy that is told of its connections", () => {
  const proxied = (ip: string): Workload =>
    workload("waypoint", [ip], { applicationTunnel: { protocol: 1, port: 15_088 } });
  const vips = service("web", ["fd00:9::1", "10.9.0.1"]);
  const hostname = "web.default.svc.cluster.local";

  test.each([
    [
      "an address",
      "10.0.0.9:80",
      { loopback: { ip: "127.0.0.1", port: 15_088 }, destination: { ip: "10.0.0.9", port: 80 }, hostname: undefined },
    ],
    [
      "a host",
      `${hostname}:80`,
      { loopback: { ip: "127.0.0.1", port: 15_088 }, destination: { ip: "10.9.0.1", port: 80 }, hostname },
    ],
  ])("hears of %s", (_name, authority, toProxy) => {
    const request = { local: proxied(POD), podIp: POD, method: "CONNECT", authority };
    expect(planInbound(contextOf(vips), request)).toMatchObject({ target: { ip: POD, port: 15_088 }, toProxy });
  });

  it("is reached on its own IP version's loopback, or where it is if that is wanted", () => {
    const request = { local: proxied("fd00::2"), podIp: "fd00::2", method: "CONNECT", authority: "10.0.0.9:80" };
    const context = contextOf(vips);
    expect(planInbound(context, request)).toMatchObject({ toProxy: { loopback: { ip: "::1" } } });
    expect(planInbound({ ...context, isLocalhostAppTunnel: false }, request)).toMatchObject({
      target: { ip: "fd00::2", port: 15_088 },
      toProxy: { loopback: undefined },
    });
  });

  it("can't hear of a host that has no address", () => {
    const request = { local: proxied(POD), podIp: POD, method: "CONNECT", authority: `${hostname}:80` };
    expect(show(planInbound(contextOf(service("web", [])), request))).toBe(
      `503 no address for the host of ${hostname}:80`,
    );
  });
});
