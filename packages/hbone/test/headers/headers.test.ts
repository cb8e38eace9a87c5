// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { formatBaggage, parseBaggage, WORKLOAD_TYPES, type Baggage } from "../../src/headers/baggage.ts";
import { formatForwarded, parseForwarded } from "../../src/headers/forwarded.ts";
import { createTraceParent, formatTraceParent, parseTraceParent } from "../../src/headers/traceparent.ts";

/** Text that tries to be nearly right. */
const odd = (...parts: string[]): fc.Arbitrary<string> =>
  fc
    .array(fc.oneof(fc.constantFrom(...parts), fc.string({ unit: "binary", maxLength: 5 })), { maxLength: 20 })
    .map((all) => all.join(""));

describe("baggage", () => {
  const full: Baggage = {
    clusterId: "Kubernetes",
    namespace: "default",
    workloadType: "pod",
    workloadName: "web-0",
    canonicalName: "web",
    canonicalRevision: "v1",
    region: "eu-west-1",
    zone: "eu-west-1a",
  };
  const text =
    "k8s.cluster.name=Kubernetes,k8s.namespace.name=default,k8s.pod.name=web-0,service.name=web,service.version=v1," +
    "cloud.region=eu-west-1,cloud.availability_zone=eu-west-1a";

  it("has one order, no blanks and nothing that is empty", () => {
    expect(formatBaggage(full)).toBe(text);
    expect(parseBaggage(text)).toEqual(full);
    expect(formatBaggage({ namespace: "", canonicalName: "web", region: "a,b=c", zone: "a b" })).toBe(
      "service.name=web",
    );
    expect(formatBaggage({ workloadName: "x" })).toBe("k8s.deployment.name=x");
  });

  test.each<[header: string | undefined, baggage: Baggage]>([
    [undefined, {}],
    ["", {}],
    [",,=,==,k8s", {}],
    ["service.name=a, service.name=b", { canonicalName: "b" }],
    ["service.name=a=b", { canonicalName: "a" }],
    ["service.name=", {}],
    ["k8s.job.name=a,k8s.cronjob.name=b", { workloadType: "cronjob", workloadName: "b" }],
    ["k8s.replicaset.name=a,__proto__=b,constructor=c", {}],
    ["  k8s.cluster.name=a  ", { clusterId: "a" }],
  ])("is read from %j", (header, baggage) => {
    expect(parseBaggage(header)).toEqual(baggage);
  });

  it("comes back as it went out", () => {
    const value = fc.stringMatching(/^[!-+\--<>-~]{1,20}$/);
    const any = fc.record(
      {
        clusterId: value,
        namespace: value,
        canonicalName: value,
        canonicalRevision: value,
        region: value,
        zone: value,
        workload: fc.tuple(fc.constantFrom(...WORKLOAD_TYPES), value),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(any, ({ workload, ...rest }) => {
        const baggage = workload ? { ...rest, workloadType: workload[0], workloadName: workload[1] } : rest;
        expect(parseBaggage(formatBaggage(baggage))).toEqual(baggage);
      }),
    );
  });

  it("never throws", () => {
    fc.assert(
      fc.property(odd("k8s.pod.name", "=", ",", "service.name=", " "), (header) => {
        expect(Object.values(parseBaggage(header))).not.toContain("");
      }),
    );
  });
});

describe("forwarded", () => {
  test.each([
    [{ for: { address: "10.0.0.1", port: 80 } }, 'for="10.0.0.1:80"'],
    [{ for: { address: "fd00::1", port: 80 }, host: "a.ns.svc" }, 'for="[fd00::1]:80";host=a.ns.svc'],
    [{ host: "a.b" }, "host=a.b"],
    [{ host: 'a";x=y' }, ""],
    [{}, ""],
  ])("of %j is %s", (forwarded, header) => {
    expect(formatForwarded(forwarded)).toBe(header);
  });

  test.each([
    ['for="10.0.0.1:80";host=a.b', { for: { address: "10.0.0.1", port: 80 }, host: "a.b" }],
    [
      'For="[2001:db8::1]:4711" ; Host="a.b:80";proto=http',
      { for: { address: "2001:db8::1", port: 4711 }, host: "a.b:80" },
    ],
    ["for=10.0.0.1:80;by=x", { for: { address: "10.0.0.1", port: 80 } }],
    ['for="10.0.0.1:80", for="10.0.0.2:80";host=c', { for: { address: "10.0.0.1", port: 80 } }],
    ['for="a,b";host=c', { host: "c" }],
    ['for="10.0.0.1:80";for="10.0.0.2:80"', { for: { address: "10.0.0.1", port: 80 } }],
    ['for="10.0.0.1:99999"', {}],
    ['for="300.0.0.1:1"', {}],
    ['for="[1.2.3.4]:1"', {}],
    ['for="fd00::1:80"', {}],
    ['for="10.0.0.1"', {}],
    ["for=_hidden", {}],
    ['host="a b"', {}],
    ['for="unterminated', {}],
    [undefined, {}],
  ])("%j is read as %j", (header, forwarded) => {
    expect(parseForwarded(header)).toEqual(forwarded);
  });

  it("comes back as it went out", () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6());
    const client = fc.record({ address, port: fc.integer({ min: 0, max: 65_535 }) });
    const any = fc.record({ for: client, host: fc.domain() }, { requiredKeys: [] });
    fc.assert(
      fc.property(any, (forwarded) => {
        expect(parseForwarded(formatForwarded(forwarded))).toEqual(forwarded);
      }),
    );
  });

  it("never throws, and takes no time for hostile text", () => {
    fc.assert(
      fc.property(odd("for=", '"', "\\", ";", ",", "host=", "[", "]:1"), (header) => {
        expect(Object.keys(parseForwarded(header)).filter((key) => key !== "for" && key !== "host")).toEqual([]);
      }),
    );
    expect(parseForwarded(`for="${"\\".repeat(60_000)}`)).toEqual({});
    expect(parseForwarded(`${"a=b;".repeat(15_000)}"`)).toEqual({});
  });
});

describe("traceparent", () => {
  const [traceId, parentId] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];

  it("is random, valid and not sampled", () => {
    const one = createTraceParent();
    expect(formatTraceParent(one)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(parseTraceParent(formatTraceParent(one))).toEqual(one);
    expect(createTraceParent().traceId).not.toBe(one.traceId);
  });

  test.each([
    [`00-${traceId}-${parentId}-01`, { traceId, parentId, flags: 1 }],
    [`cc-${traceId}-${parentId}-ff-more`, { traceId, parentId, flags: 255 }],
    [`cc-${traceId}-${parentId}-00`, { traceId, parentId, flags: 0 }],
    [`00-${traceId}-${parentId}-01-more`, undefined],
    [`ff-${traceId}-${parentId}-01`, undefined],
    [`00-${"0".repeat(32)}-${parentId}-01`, undefined],
    [`00-${traceId}-${"0".repeat(16)}-01`, undefined],
    [`00-${traceId.toUpperCase()}-${parentId}-01`, undefined],
    ["-".repeat(55), undefined],
    ["a".repeat(55), undefined],
    ["00-", undefined],
    ["", undefined],
    [undefined, undefined],
  ])("%j is read as %j", (header, parsed) => {
    expect(parseTraceParent(header)).toEqual(parsed);
  });

  it("never throws on 55 octets or others", () => {
    const any = fc.oneof(odd("00-", traceId, "-", parentId), fc.string({ minLength: 55, maxLength: 55 }));
    fc.assert(
      fc.property(any, (header) => {
        expect(parseTraceParent(header)?.traceId ?? traceId).toHaveLength(32);
      }),
    );
  });
});
