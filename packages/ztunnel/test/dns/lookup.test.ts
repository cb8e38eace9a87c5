// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { lookUp, type LookupContext } from "../../src/dns/lookup.ts";
import { aliasesOf, podSearchDomains, wildcardsOf } from "../../src/dns/names.ts";
import { partOf, service, stateOf, workload } from "../fixtures.ts";

const DOMAIN = "cluster.local";
const searchDomains = podSearchDomains("default", DOMAIN);
const rules = { namespace: "default", domain: DOMAIN, searchDomains };

describe("names that a question may mean", () => {
  test.each([
    ["web", ["web", "web.default.svc.cluster.local"]],
    ["web.other", ["web.other", "web.other.svc.cluster.local", "web.other.default.svc.cluster.local"]],
    ["web.other.svc", ["web.other.svc", "web.other.svc.cluster.local", "web.other.svc.svc.cluster.local"]],
    ["a.b.c", ["a.b.c", "a.b.c.svc.cluster.local"]],
    ["pod.web.other.svc", ["pod.web.other.svc", "pod.web.other.svc.cluster.local"]],
    ["a.b.c.d", ["a.b.c.d"]],
    ["www.example.com.", ["www.example.com."]],
  ])("%s", (name, expected) => {
    expect(aliasesOf(name, rules).map((alias) => alias.name)).toEqual(expected);
  });

  it("what a search list made of a name means the name as well", () => {
    const aliases = aliasesOf("api.example.default.svc.cluster.local", rules);
    expect(aliases.map(({ name, stripped }) => [name, stripped])).toEqual([
      ["api.example.default.svc.cluster.local", undefined],
      ["api.example", "api.example"],
      ["api.example.svc.cluster.local", "api.example"],
      ["api.example.default.svc.cluster.local", "api.example"],
      ["api.example.default", "api.example.default"],
      ["api.example.default.svc.cluster.local", "api.example.default"],
      ["api.example.default.svc", "api.example.default.svc"],
      ["api.example.default.svc.cluster.local", "api.example.default.svc"],
    ]);
  });

  it("wildcards cover a name from the narrowest", () => {
    expect([...wildcardsOf("a.b.c")]).toEqual(["a.b.c", "*.b.c", "*.c"]);
  });
});

const other = { namespace: "other", hostname: "shared.example" };
const state = stateOf(
  workload("client", ["10.0.0.9"]),
  workload("one", ["10.0.0.1", "fd00::1"], { services: partOf("headless") }),
  workload("two", ["10.0.0.2"], { services: partOf("headless") }),
  workload("ill", ["10.0.0.3"], { services: partOf("headless"), status: 1 }),
  service("web", ["10.96.0.1", "fd00:96::1"]),
  service("old", ["10.96.0.2", "fd00:96::2"], { ipFamilies: 1 }),
  service("headless", []),
  service("ext", ["240.240.0.1"], { hostname: "api.example.com" }),
  service("noip", [], { hostname: "noip.example.com" }),
  service("wild", ["240.240.0.2"], { hostname: "*.example.com" }),
  service("hidden", ["240.240.0.3"], { namespace: "other", hostname: "hidden.example", visibility: 1 }),
  service("shared", ["240.240.1.1"], { ...other, namespace: "first" }),
  service("shared", ["240.240.1.2"], { ...other, namespace: "second" }),
  service("pair", ["240.240.2.1"], { namespace: "first", hostname: "pair.example" }),
  service("pair", ["240.240.2.2"], { namespace: "second", hostname: "pair.example", canonical: true }),
  service("mine", ["240.240.3.1"], { namespace: "first", hostname: "mine.example", canonical: true }),
  service("mine", ["240.240.3.2"], { hostname: "mine.example" }),
);
const client = workload("client", ["10.0.0.9"]);
const context: LookupContext = {
  services: state.services,
  domain: DOMAIN,
  preferredNamespace: undefined,
  isIpv6Enabled: true,
  random: () => 0.5,
};

function ask(name: string, family: 4 | 6 = 4, changes: Partial<LookupContext> = {}, asker = client) {
  return lookUp({ ...context, ...changes }, { client: asker, name, family, searchDomains });
}

describe("answers", () => {
  test.each([
    ["a service by its full name", "web.default.svc.cluster.local", 4, ["10.96.0.1"], undefined],
    ["a service by a short name", "web", 4, ["10.96.0.1"], undefined],
    ["the other family", "web", 6, ["fd00:96::1"], undefined],
    ["a family that the service does not have", "old", 6, [], undefined],
    ["a headless service by its healthy endpoints", "headless", 4, ["10.0.0.1", "10.0.0.2"], undefined],
    ["a headless service in the other family", "headless", 6, ["fd00::1"], undefined],
    ["a name outside the cluster", "api.example.com", 4, ["240.240.0.1"], undefined],
    [
      "such a name with a search domain behind it",
      "api.example.com.svc.cluster.local",
      4,
      ["240.240.0.1"],
      "api.example.com",
    ],
    ["a name without an address, by the wildcard that covers it", "noip.example.com", 4, ["240.240.0.2"], undefined],
    ["what a wildcard covers", "deep.www.example.com", 4, ["240.240.0.2"], undefined],
    ["the same with a search domain: no alias", "www.example.com.cluster.local", 4, ["240.240.0.2"], undefined],
    ["the canonical one of two namespaces", "pair.example", 4, ["240.240.2.2"], undefined],
    ["the client's own before the canonical one", "mine.example", 4, ["240.240.3.2"], undefined],
    ["the first of two", "shared.example", 4, ["240.240.1.1"], undefined],
  ] as const)("%s", (...[, question, family, addresses, canonicalName]) => {
    const found = ask(question, family);
    expect(found?.addresses.toSorted()).toEqual(addresses);
    expect(found?.canonicalName).toBe(canonicalName);
  });

  test.each([
    ["a name that nobody has", "www.example.org"],
    ["the domain of a wildcard itself", "example.com"],
    ["a service that this namespace can't see", "hidden.example"],
    ["a pod of a headless service", "one.headless.default.svc.cluster.local"],
  ])("not %s", (_name, question) => {
    expect(ask(question)).toBeUndefined();
  });

  it("the preferred namespace where nothing else decides", () => {
    expect(ask("shared.example", 4, { preferredNamespace: "second" })?.addresses).toEqual(["240.240.1.2"]);
    expect(ask("pair.example", 4, { preferredNamespace: "first" })?.addresses).toEqual(["240.240.2.2"]);
  });

  it("no IPv6 where that is turned off", () => {
    expect(ask("web", 6, { isIpv6Enabled: false })?.addresses).toEqual([]);
  });

  it("only addresses of the client's network", () => {
    expect(ask("web", 4, {}, workload("far", ["10.0.0.9"], { network: "remote" }))?.addresses).toEqual([]);
  });

  it("in an order that changes", () => {
    const draws = [0.99, 0];
    const first = (random: number): string | undefined => ask("headless", 4, { random: () => random })?.addresses[0];
    expect(new Set(draws.map(first)).size).toBe(2);
  });
});
