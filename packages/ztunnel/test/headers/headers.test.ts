// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { formatBaggage, parseBaggage } from "../../src/headers/baggage.ts";
import { formatForwarded, forwardedHost } from "../../src/headers/forwarded.ts";
import { formatTraceParent, newTraceParent, parseTraceParent } from "../../src/headers/traceparent.ts";
import { holds, workload } from "../fixtures.ts";

describe("baggage", () => {
  it("names what is known in a fixed order", () => {
    const full = workload("web", ["10.0.0.1"], {
      clusterId: "c1",
      workloadType: 0,
      locality: { region: "r", zone: "z", subzone: "s" },
    });
    expect(formatBaggage(full)).toBe(
      "k8s.cluster.name=c1,k8s.namespace.name=default,k8s.deployment.name=web,service.name=web,service.version=v1,cloud.region=r,cloud.availability_zone=z",
    );
    const bare = workload("web", [], { workloadName: "", canonicalName: "", canonicalRevision: "" });
    expect(formatBaggage(bare)).toBe("k8s.cluster.name=Kubernetes,k8s.namespace.name=default");
  });

  it("is read back", () => {
    const text = formatBaggage(workload("web", [], { workloadType: 1, locality: { region: "r" } }));
    expect(parseBaggage(text)).toEqual({
      clusterId: "Kubernetes",
      namespace: "default",
      workloadName: "web",
      workloadType: "cronjob",
      canonicalName: "web",
      canonicalRevision: "v1",
      region: "r",
    });
  });

  test.each([
    [["service.name=a,service.name=b"], { canonicalName: "b" }],
    [["service.name=a", "service.name=b, service.version = c "], { canonicalName: "b", canonicalRevision: "c" }],
    [["k8s.wizard.name=x,k8s..name=x,=,==,a=b"], {}],
    [["service.name=a=b"], { canonicalName: "a" }],
    [["service.name="], {}],
    [[], {}],
  ])("of %j", (values, baggage) => expect(parseBaggage(...values)).toEqual(baggage));

  it("never throws", () => {
    expect(holds(fc.property(fc.array(fc.string()), (values) => void parseBaggage(...values)))).toBe(true);
  });
});

describe("forwarded", () => {
  test.each([
    ["10.0.0.1", undefined, 'for="10.0.0.1:99"'],
    ["fd00::1", "web.ns.svc", 'for="[fd00::1]:99";host=web.ns.svc'],
  ])("for %s, host %s", (ip, host, text) => {
    expect(formatForwarded({ ip, port: 99 }, host)).toBe(text);
    expect(forwardedHost(text)).toBe(host);
  });

  test.each([
    ['host="web.ns";for=x', "web.ns"],
    ["for=a, HOST=web", "web"],
    ["for=a;host=one, for=b;host=two", "one"],
    ["ghost=web", undefined],
    ["", undefined],
    [`host=${"a".repeat(300)}`, "a".repeat(253)],
  ])("host of %j", (text, host) => expect(forwardedHost(text)).toBe(host));

  it("never throws", () => {
    expect(holds(fc.property(fc.string(), (text) => void forwardedHost(text)))).toBe(true);
  });
});

describe("traceparent", () => {
  it("is new for each connection and read back", () => {
    const traces = Array.from({ length: 600 }, () => newTraceParent());
    expect(new Set(traces.map(({ traceId }) => traceId)).size).toBe(600);
    for (const trace of traces) expect(parseTraceParent(formatTraceParent(trace))).toEqual(trace);
  });

  // 55 characters without dashes once ended every stream of a tunnel (ztunnel, Istio 1.31).
  test.each(["", "00", "a".repeat(55), `00-${"a".repeat(52)}`, `00-${"A".repeat(32)}-${"a".repeat(16)}-00`])(
    "refuses %j",
    (text) => expect(parseTraceParent(text)).toBeUndefined(),
  );

  it("never throws", () => {
    expect(holds(fc.property(fc.string({ minLength: 50, maxLength: 60 }), (text) => void parseTraceParent(text)))).toBe(
      true,
    );
  });
});
