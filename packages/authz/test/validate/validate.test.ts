// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type {
  AuthorizationPolicy,
  PeerAuthentication,
  PolicyCondition,
  PolicyOperation,
  PolicySource,
} from "@ambientmesh/api/istio";
import {
  compileAuthorizationPolicy,
  validateAuthorizationPolicy,
  validatePeerAuthentication,
  type Finding,
} from "../../src/index.ts";
import { policies, policyOf } from "../support/policies.ts";

type Spec = NonNullable<AuthorizationPolicy["spec"]>;

const texts = (findings: readonly Finding[]): string[] =>
  findings.map(({ severity, path, message }) => `${severity} ${path} ${message}`);
const check = (spec: Spec): string[] => texts(validateAuthorizationPolicy(policyOf(spec)));
const source = (value: PolicySource): string[] => check({ rules: [{ from: [{ source: value }] }] });
const operation = (value: PolicyOperation): string[] => check({ rules: [{ to: [{ operation: value }] }] });
const condition = (value: PolicyCondition): string[] => check({ rules: [{ when: [value] }] });
const errors = (found: string[]): string[] => found.filter((text) => text.startsWith("error"));

describe("attachment", () => {
  const service = { kind: "Service", group: "", name: "web" };
  test.each<[string, Spec, string[]]>([
    ["nothing", {}, []],
    ["a service", { targetRefs: [service, { kind: "Service", group: "core", name: "b" }] }, []],
    ["a gateway", { targetRef: { kind: "Gateway", group: "gateway.networking.k8s.io", name: "g" } }, []],
    ["a selector", { selector: { matchLabels: { app: "web" } } }, []],
    [
      "both",
      { selector: { matchLabels: { a: "b" } }, targetRefs: [service] },
      ["error spec only one of selector, targetRef and targetRefs may be set"],
    ],
    [
      "two kinds of refs",
      { targetRef: service, targetRefs: [service] },
      ["error spec only one of selector, targetRef and targetRefs may be set"],
    ],
    [
      "17 targets",
      { targetRefs: Array.from({ length: 17 }, () => service) },
      ["error spec.targetRefs has 17 entries, at most 16 are allowed"],
    ],
    ["no name", { targetRefs: [{ ...service, name: "" }] }, ["error spec.targetRefs[0].name is empty"]],
    [
      "a namespace",
      { targetRef: { ...service, namespace: "x" } },
      ["error spec.targetRef.namespace must be left out: a policy is attached in its own namespace"],
    ],
    [
      "a pod",
      { targetRef: { kind: "Pod", name: "x" } },
      ['error spec.targetRef.kind "Pod" is none of Service, ServiceEntry, Gateway, GatewayClass'],
    ],
    [
      "a wrong group",
      { targetRef: { kind: "Gateway", group: "networking.istio.io", name: "x" } },
      [
        'error spec.targetRef.group "networking.istio.io" is not the group of Gateway, which is "gateway.networking.k8s.io"',
      ],
    ],
    [
      "an empty selector",
      { selector: {} },
      ["warning spec.selector.matchLabels is empty, so the policy selects every workload in reach"],
    ],
    [
      "a wildcard label",
      { selector: { matchLabels: { a: "b*" } } },
      ['error spec.selector.matchLabels[a] contains "*"; labels are compared as they are'],
    ],
    ["an empty key", { selector: { matchLabels: { "": "b" } } }, ["error spec.selector.matchLabels has an empty key"]],
  ])("%s", (_name, spec, expected) => expect(check(spec)).toEqual(expected));
});

describe("actions", () => {
  const provider = { name: "ext" };
  test.each<[string, Spec, string[]]>([
    ["ALLOW without rules", { action: "ALLOW" }, []],
    [
      "DENY without rules",
      { action: "DENY" },
      ["error spec.rules is missing: a DENY policy without rules has no effect"],
    ],
    ["DENY with an empty list", { action: "DENY", rules: [] }, []],
    ["CUSTOM", { action: "CUSTOM", provider, rules: [{}] }, []],
    [
      "CUSTOM without rules",
      { action: "CUSTOM", provider },
      ["error spec.rules is missing: a CUSTOM policy without rules has no effect"],
    ],
    [
      "CUSTOM without provider",
      { action: "CUSTOM", rules: [{}] },
      ["error spec.provider.name is missing: a CUSTOM policy needs the name of a provider"],
    ],
    [
      "provider with DENY",
      { action: "DENY", rules: [{}], provider },
      ["error spec.provider is for policies with the action CUSTOM only"],
    ],
    ["an unknown one", { action: "LOG" as never }, ['error spec.action "LOG" is none of ALLOW, DENY, AUDIT, CUSTOM']],
  ])("%s", (_name, spec, expected) => expect(check(spec)).toEqual(expected));

  test.each<PolicySource>([
    { namespaces: ["a"] },
    { notNamespaces: ["a"] },
    { serviceAccounts: ["a"] },
    { notPrincipals: ["a"] },
    { requestPrincipals: ["a"] },
    { trustDomains: ["a"] },
  ])("CUSTOM refuses the source %o", (value) => {
    const spec: Spec = { action: "CUSTOM", provider, rules: [{ from: [{ source: value }] }] };
    const field = Object.keys(value)[0] ?? "";
    expect(check(spec)).toEqual([`error spec.rules[0].from[0].source.${field} can't be used with the action CUSTOM`]);
  });

  test.each([
    ["source.ip", "10.0.0.1", false],
    ["request.auth.claims[a]", "x", false],
    ["request.headers[a]", "x", true],
    ["destination.port", "80", true],
  ])("CUSTOM and the key %s: %j", (key, value, isAllowed) => {
    const spec: Spec = { action: "CUSTOM", provider, rules: [{ when: [{ key, values: [value] }] }] };
    expect(check(spec)).toEqual(
      isAllowed ? [] : [`error spec.rules[0].when[0].key "${key}" can't be used with the action CUSTOM`],
    );
  });
});

describe("sources", () => {
  const path = "error spec.rules[0].from[0].source";
  test.each<[PolicySource, string[]]>([
    [{}, [`${path} is empty`]],
    [{ namespaces: [] }, [`${path} is empty`]],
    [{ namespaces: ["a", ""] }, [`${path}.namespaces[1] is empty`]],
    [{ principals: ["spiffe://td/ns/a/sa/b", "*", "td/*"] }, []],
    [{ principals: [""] }, [`${path}.principals[0] is empty`]],
    [{ serviceAccounts: ["a", "b/c"] }, []],
    [
      { serviceAccounts: ["a/b/c"] },
      [`${path}.serviceAccounts[0] "a/b/c" is not a namespace and the name of a service account`],
    ],
    [
      { serviceAccounts: ["*"] },
      [`${path}.serviceAccounts[0] "*" contains "*"; service accounts are compared as they are`],
    ],
    [
      { serviceAccounts: ["x".repeat(321)] },
      [`${path}.serviceAccounts[0] has 321 characters, at most 320 are allowed`],
    ],
    [
      { notServiceAccounts: Array.from({ length: 17 }, (_, i) => `a${i}`) },
      [`${path}.notServiceAccounts has 17 values, at most 16 are allowed`],
    ],
    [
      { serviceAccounts: ["a"], namespaces: ["b"] },
      [`${path} serviceAccounts can't be combined with principals or namespaces`],
    ],
    [
      { serviceAccounts: ["a"], notPrincipals: ["b"] },
      [`${path} serviceAccounts can't be combined with principals or namespaces`],
    ],
    [{ serviceAccounts: ["a"], ipBlocks: ["10.0.0.1"] }, []],
    [
      { ipBlocks: ["10.0.0.0/8", "fd00::/8"], notIpBlocks: ["10.0.0.300"] },
      [`${path}.notIpBlocks[0] "10.0.0.300" is neither an IP address nor a CIDR block`],
    ],
    [{ trustDomains: ["td", "td*", "*td", "*"] }, []],
    [{ trustDomains: ["a/b"] }, [`${path}.trustDomains[0] "a/b" is not a trust domain`]],
    [{ trustDomains: ["a*b"] }, [`${path}.trustDomains[0] "a*b" may have one "*", at its start or end`]],
    [{ colour: ["red"] } as never, [`${path}.colour is not a field of sources`]],
  ])("%o", (value, expected) => expect(errors(source(value))).toEqual(expected));

  test("an entry without source, and empty lists", () => {
    expect(
      check({
        rules: [
          { from: [{}], to: [] },
          { from: [], to: [{}] },
        ],
      }),
    ).toEqual([
      "error spec.rules[0].to is empty; leave it out to match every operation",
      "error spec.rules[0].from[0].source is empty",
      "error spec.rules[1].from is empty; leave it out to match every source",
      "error spec.rules[1].to[0].operation is empty",
    ]);
  });
});

describe("operations", () => {
  const path = "error spec.rules[0].to[0].operation";
  test.each<[PolicyOperation, string[]]>([
    [{ ports: ["80"], notPorts: ["81"] }, []],
    [{ ports: ["80-90"] }, [`${path}.ports[0] "80-90" is not a port from 1 to 65535`]],
    [{ notPorts: ["0"] }, [`${path}.notPorts[0] "0" is not a port from 1 to 65535`]],
    [{ hosts: [""] }, [`${path}.hosts[0] is empty`]],
    [{ methods: ["GET", "*"] }, []],
    [{ paths: ["/a", "/a*", "*/a", "/a/{*}/b", "/a/{**}", "/{*}/{**}/b"] }, []],
    [{ paths: ["/a/{**}/{*}"] }, [`${path}.paths[0] "/a/{**}/{*}" has a {*} or {**} after {**}`]],
    [{ paths: ["/a{*}"] }, [`${path}.paths[0] "/a{*}" mixes {*} or {**} with other characters in a segment`]],
    [{ paths: ["/{*}/b*"] }, [`${path}.paths[0] "/{*}/b*" mixes {*} or {**} with other characters in a segment`]],
    [{ verbs: ["GET"] } as never, [`${path}.verbs is not a field of operations`]],
  ])("%o", (value, expected) => expect(errors(operation(value))).toEqual(expected));
});

describe("conditions", () => {
  const path = "error spec.rules[0].when[0]";
  test.each<[PolicyCondition, string[]]>([
    [{ key: "source.ip", values: ["10.0.0.0/8"] }, []],
    [{ key: "source.ip", notValues: ["x"] }, [`${path}.notValues[0] "x" is neither an IP address nor a CIDR block`]],
    [
      { key: "remote.ip", values: ["10.0.0.1/33"] },
      [`${path}.values[0] "10.0.0.1/33" is not a CIDR block: its length is wrong`],
    ],
    [{ key: "destination.port", values: ["x"] }, [`${path}.values[0] "x" is not a port from 1 to 65535`]],
    [{ key: "source.trustDomain", values: ["a/b"] }, [`${path}.values[0] "a/b" is not a trust domain`]],
    [{ key: "request.headers[x-a]", values: ["1"] }, []],
    [{ key: "request.auth.claims[a][b]", values: ["1"] }, []],
    [{ key: "experimental.envoy.filters.x[y]", values: ["1"] }, []],
    [
      { key: "request.headers[]", values: ["1"] },
      [`${path}.values[0] belongs to "request.headers[]", which does not name what it asks for`],
    ],
    [
      { key: "request.headers[a][b]", values: ["1"] },
      [`${path}.values[0] belongs to "request.headers[a][b]", which does not name what it asks for`],
    ],
    [{ key: "connection.sni", values: [""] }, [`${path}.values[0] is empty`]],
    [{ key: "source.ip" }, [`${path} needs values or notValues`]],
    [{ key: "source.colour", values: ["red"] }, [`${path}.key "source.colour" is not a key of conditions`]],
    [{ key: "constructor", values: ["red"] }, [`${path}.key "constructor" is not a key of conditions`]],
  ])("%o", (value, expected) => expect(errors(condition(value))).toEqual(expected));
});

describe("warnings of HTTP attributes", () => {
  const get = { to: [{ operation: { methods: ["GET"] } }] };
  const targetRefs = [{ kind: "Service", name: "web" }];
  test.each<[string, Spec, string | undefined]>([
    ["a deny no node proxy can enforce", { action: "DENY", rules: [get] }, "has no effect: attach it to a waypoint"],
    ["an allow", { rules: [get] }, "left out of this ALLOW policy"],
    [
      "a deny at a waypoint",
      { action: "DENY", targetRefs, rules: [{ to: [{ operation: { ports: ["80"] } }] }, get] },
      "spec.rules[1] denies by HTTP attributes only",
    ],
    ["an allow at a waypoint", { targetRefs, rules: [get] }, undefined],
    ["a deny of everything at a waypoint", { action: "DENY", targetRefs, rules: [{}] }, undefined],
  ])("%s", (_name, spec, expected) => {
    const found = check(spec);
    expect(found).toHaveLength(expected === undefined ? 0 : 1);
    expect(found.join()).toContain(expected ?? "");
    expect(errors(found)).toEqual([]);
  });
});

describe("PeerAuthentication", () => {
  const validate = (spec: PeerAuthentication["spec"]): string[] =>
    texts(
      validatePeerAuthentication({
        apiVersion: "security.istio.io/v1",
        kind: "PeerAuthentication",
        metadata: { name: "p", namespace: "app" },
        ...(spec && { spec }),
      }),
    );
  const selector = { matchLabels: { app: "web" } };
  test.each<[PeerAuthentication["spec"], string[]]>([
    [undefined, []],
    [{ mtls: { mode: "STRICT" } }, []],
    [
      { mtls: { mode: "strict" as never } },
      ['error spec.mtls.mode "strict" is none of UNSET, DISABLE, PERMISSIVE, STRICT'],
    ],
    [{ selector, portLevelMtls: { "80": { mode: "STRICT" } } }, []],
    [
      { portLevelMtls: { "80": {} } },
      ["error spec.portLevelMtls needs a selector with labels: ports belong to workloads"],
    ],
    [{ selector, portLevelMtls: {} }, ["error spec.portLevelMtls is empty; leave it out or name a port"]],
    [
      { selector, portLevelMtls: { "0": {}, http: {} } },
      [
        'error spec.portLevelMtls[0] "0" is not a port from 1 to 65535',
        'error spec.portLevelMtls[http] "http" is not a port from 1 to 65535',
      ],
    ],
    [
      { selector, portLevelMtls: { "80": { mode: "X" as never } } },
      ['error spec.portLevelMtls[80].mode "X" is none of UNSET, DISABLE, PERMISSIVE, STRICT'],
    ],
    [{ selector: {} }, ["warning spec.selector.matchLabels is empty, so the policy selects every workload in reach"]],
  ])("%o", (spec, expected) => expect(validate(spec)).toEqual(expected));
});

test("what validation lets pass can be read, whatever the policy", () => {
  fc.assert(
    fc.property(policies, (policy) => {
      const found = validateAuthorizationPolicy(policy).filter(({ severity }) => severity === "error");
      const compiled = compileAuthorizationPolicy(policy, { rootNamespace: "root", allowDryRun: true });
      const problems = compiled.kind === "compiled" ? compiled.problems : [];
      // The one thing that is right for a waypoint and can't be enforced here.
      const unexpected = problems.filter(({ message }) => !message.includes("suffixes of trust domains"));
      expect(found.length > 0 || unexpected.length === 0).toBe(true);
    }),
  );
});
