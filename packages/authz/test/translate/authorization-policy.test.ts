// SPDX-License-Identifier: Apache-2.0
import { toJson } from "@bufbuild/protobuf";
import { describe, expect, it, test } from "vitest";
import type { AuthorizationPolicy, PolicyRule } from "@ambientmesh/api/istio";
import { AuthorizationSchema } from "@ambientmesh/api/security";
import {
  compileAuthorization,
  compileAuthorizationPolicy,
  selectsWorkload,
  translateAuthorizationPolicy,
} from "../../src/index.ts";
import { from } from "../support/connections.ts";
import { policyOf } from "../support/policies.ts";

const context = { rootNamespace: "root", allowDryRun: false };

function groupsOf(action: "ALLOW" | "DENY", ...rules: PolicyRule[]): unknown {
  const { authorization } = translateAuthorizationPolicy(policyOf({ action, rules }), context);
  if (!authorization) throw new Error("not translated");
  return (toJson(AuthorizationSchema, authorization) as { groups?: unknown }).groups ?? [];
}

describe("where a policy goes", () => {
  test.each<[string, AuthorizationPolicy, object]>([
    ["no selector", policyOf({}), { scope: "NAMESPACE" }],
    ["no selector, root namespace", policyOf({}, { namespace: "root" }), {}],
    ["selector", policyOf({ selector: { matchLabels: { a: "b" } } }), { scope: "WORKLOAD_SELECTOR" }],
    ["empty selector", policyOf({ selector: {} }), { scope: "WORKLOAD_SELECTOR" }],
    [
      "selector in the root namespace",
      policyOf({ selector: {} }, { namespace: "root" }),
      { scope: "WORKLOAD_SELECTOR" },
    ],
    ["deny", policyOf({ action: "DENY", rules: [{}] }), { scope: "NAMESPACE", action: "DENY", groups: [{}] }],
    ["no spec", { ...policyOf({}), spec: undefined } as never, { scope: "NAMESPACE" }],
  ])("%s", (_name, policy, expected) => {
    const { authorization, condition, warnings } = translateAuthorizationPolicy(policy, context);
    const json = authorization && toJson(AuthorizationSchema, authorization);
    expect(json).toEqual({ name: "p", namespace: policy.metadata.namespace, ...expected });
    expect(condition).toEqual({
      type: "ZtunnelAccepted",
      status: "True",
      reason: "Accepted",
      message: "attached to ztunnel",
    });
    expect(warnings).toEqual([]);
  });

  it("leaves what has a target to waypoints", () => {
    const target = { kind: "Service", name: "web" };
    for (const spec of [{ targetRef: target }, { targetRefs: [target] }]) {
      expect(translateAuthorizationPolicy(policyOf(spec), context)).toEqual({ warnings: [] });
      expect(compileAuthorizationPolicy(policyOf(spec), context)).toEqual({ kind: "not-for-node-proxies" });
    }
  });

  test.each(["AUDIT", "CUSTOM"] as const)("refuses the action %s", (action) => {
    const { authorization, condition } = translateAuthorizationPolicy(policyOf({ action, rules: [{}] }), context);
    expect(authorization).toBeUndefined();
    expect(condition).toMatchObject({ status: "False", reason: "UnsupportedValue" });
    expect(condition?.message).toContain(action);
  });

  test.each([
    ["true", true],
    ["True", true],
    ["1", true],
    ["false", false],
    ["yes", false],
  ])("dry run %j", (value, isDryRun) => {
    const policy = policyOf({}, { annotations: { "istio.io/dry-run": value } });
    const off = translateAuthorizationPolicy(policy, context);
    expect(off.authorization === undefined).toBe(isDryRun);
    expect(off.condition?.status).toBe(isDryRun ? "False" : "True");
    const on = translateAuthorizationPolicy(policy, { ...context, allowDryRun: true });
    expect(on.authorization?.dryRun).toBe(isDryRun);
  });

  test.each<[string, AuthorizationPolicy, boolean]>([
    ["same namespace", policyOf({ selector: { matchLabels: { app: "web" } } }), true],
    ["other label", policyOf({ selector: { matchLabels: { app: "db" } } }), false],
    ["missing label", policyOf({ selector: { matchLabels: { app: "web", constructor: "x" } } }), false],
    ["empty selector", policyOf({ selector: {} }), true],
    ["no selector", policyOf({}), false],
    ["other namespace", policyOf({ selector: {} }, { namespace: "other" }), false],
    ["root namespace", policyOf({ selector: {} }, { namespace: "root" }), true],
  ])("selection: %s", (_name, policy, expected) => {
    expect(selectsWorkload(policy, { namespace: "app", labels: { app: "web" } }, "root")).toBe(expected);
  });
});

describe("rules", () => {
  it("become clauses in the order to, from, when", () => {
    const rule: PolicyRule = {
      from: [
        { source: { principals: ["spiffe://td/ns/a/sa/b", "*"], notNamespaces: ["x*"] } },
        { source: { ipBlocks: ["10.0.0.0/8", "fd00::1"] } },
      ],
      to: [{ operation: { ports: ["80", "81"], notPorts: ["82"] } }],
      when: [
        { key: "source.namespace", values: ["*a"], notValues: ["ba"] },
        { key: "destination.ip", notValues: ["10.0.0.1"] },
        { key: "destination.port", values: ["80"] },
      ],
    };
    expect(groupsOf("ALLOW", rule)).toEqual([
      {
        rules: [
          { matches: [{ destinationPorts: [80, 81], notDestinationPorts: [82] }] },
          {
            matches: [
              { principals: [{ exact: "td/ns/a/sa/b" }, { presence: {} }], notNamespaces: [{ prefix: "x" }] },
              {
                sourceIps: [
                  { address: "CgAAAA==", length: 8 },
                  { address: "/QAAAAAAAAAAAAAAAAAAAQ==", length: 128 },
                ],
              },
            ],
          },
          { matches: [{ namespaces: [{ suffix: "a" }], notNamespaces: [{ exact: "ba" }] }] },
          { matches: [{ notDestinationIps: [{ address: "CgAAAQ==", length: 32 }] }] },
          { matches: [{ destinationPorts: [80] }] },
        ],
      },
    ]);
  });

  it("take service accounts with or without namespace", () => {
    const rule = {
      from: [{ source: { serviceAccounts: ["web", "other/db"] } }],
      when: [{ key: "source.serviceAccount", notValues: ["x"] }],
    };
    expect(groupsOf("ALLOW", rule)).toEqual([
      {
        rules: [
          {
            matches: [
              {
                serviceAccounts: [
                  { namespace: "app", serviceAccount: "web" },
                  { namespace: "other", serviceAccount: "db" },
                ],
              },
            ],
          },
          { matches: [{ notServiceAccounts: [{ namespace: "app", serviceAccount: "x" }] }] },
        ],
      },
    ]);
  });

  test.each<[string, PolicyRule, unknown]>([
    ["no conditions", {}, [{}]],
    ["empty lists", { from: [], to: [], when: [] }, [{}]],
  ])("%s match everything", (_name, rule, expected) => {
    expect(groupsOf("ALLOW", rule)).toEqual(expected);
  });
});

describe("trust domains", () => {
  test.each<[string, PolicyRule, unknown]>([
    [
      "alone",
      { from: [{ source: { trustDomains: ["td", "te*", "*"], notTrustDomains: ["td9"] } }] },
      [
        {
          rules: [
            {
              matches: [
                {
                  principals: [{ prefix: "td/" }, { prefix: "te" }, { presence: {} }],
                  notPrincipals: [{ prefix: "td9/" }],
                },
              ],
            },
          ],
        },
      ],
    ],
    [
      "beside namespaces, not beside excluded principals",
      { from: [{ source: { namespaces: ["a"], trustDomains: ["td"], notTrustDomains: ["x"], notPrincipals: ["y"] } }] },
      [
        {
          rules: [
            {
              matches: [
                {
                  namespaces: [{ exact: "a" }],
                  notPrincipals: [{ prefix: "x/" }, { exact: "y" }],
                  principals: [{ prefix: "td/" }],
                },
              ],
            },
          ],
        },
      ],
    ],
    [
      "beside principals: a group per source, so that both lists have to match",
      {
        to: [{ operation: { ports: ["80"] } }],
        from: [{ source: { principals: ["*/sa/b"], trustDomains: ["td"] } }, { source: { namespaces: ["a"] } }],
      },
      [
        {
          rules: [
            { matches: [{ destinationPorts: [80] }] },
            { matches: [{ principals: [{ suffix: "/sa/b" }] }] },
            { matches: [{ principals: [{ prefix: "td/" }] }] },
          ],
        },
        { rules: [{ matches: [{ destinationPorts: [80] }] }, { matches: [{ namespaces: [{ exact: "a" }] }] }] },
      ],
    ],
    [
      "as a condition",
      { when: [{ key: "source.trustDomain", values: ["td"] }] },
      [{ rules: [{ matches: [{ principals: [{ prefix: "td/" }] }] }] }],
    ],
  ])("%s", (_name, rule, expected) => {
    expect(groupsOf("ALLOW", rule)).toEqual(expected);
    const { warnings } = translateAuthorizationPolicy(policyOf({ rules: [rule] }), context);
    expect(warnings).toEqual([]);
  });

  it("are told apart from trust domains that begin alike", () => {
    const rules = [{ from: [{ source: { trustDomains: ["td"] } }] }];
    const { authorization } = translateAuthorizationPolicy(policyOf({ rules }), context);
    const matches = authorization && compileAuthorization(authorization).policy.matches;
    const tried = ["td", "td2"].map((trustDomain) => matches?.(from("a/b", { trustDomain })));
    expect(tried).toEqual([true, false]);
    expect(matches?.(from(undefined))).toBe(false);
  });

  it("with a suffix are reported", () => {
    const rules = [{ from: [{ source: { trustDomains: ["*d"] } }] }];
    const { condition, authorization } = translateAuthorizationPolicy(policyOf({ rules }), context);
    expect(authorization?.groups).toEqual([]);
    expect(condition).toMatchObject({ status: "True", reason: "UnsupportedValue" });
    expect(condition?.message).toContain("spec.rules[0].from[0].source.trustDomains[0]");
  });
});

describe("HTTP attributes", () => {
  const get = { operation: { methods: ["GET"] } };
  const getOn80 = { operation: { methods: ["GET"], ports: ["80"] } };
  const fromApp = { source: { namespaces: ["app"] } };
  const header = { key: "request.headers[x]", values: ["y"] };

  test.each<[string, "ALLOW" | "DENY", PolicyRule[], unknown, string, string]>([
    [
      "allow",
      "ALLOW",
      [{ to: [get], from: [fromApp] }, { from: [fromApp] }],
      [{ rules: [{ matches: [{ namespaces: [{ exact: "app" }] }] }] }],
      "methods",
      "left out of this ALLOW policy",
    ],
    [
      "allow, by a condition",
      "ALLOW",
      [{ from: [fromApp], when: [header] }],
      [],
      "request.headers[x]",
      "left out of this ALLOW policy",
    ],
    [
      "deny, mixed in one match",
      "DENY",
      [{ to: [getOn80] }],
      [{ rules: [{ matches: [{ destinationPorts: [80] }] }] }],
      "methods",
      "enforced without them",
    ],
    ["deny, nothing left", "DENY", [{ to: [get] }], [{ rules: [{ matches: [{}] }] }], "methods", "no effect"],
    [
      "deny, one clause empty",
      "DENY",
      [{ to: [get], from: [fromApp] }],
      [{ rules: [{ matches: [{}] }, { matches: [{ namespaces: [{ exact: "app" }] }] }] }],
      "methods",
      "no effect",
    ],
    [
      "deny, L4 and HTTP conditions",
      "DENY",
      [{ when: [header, { key: "destination.port", values: ["80"] }] }],
      [{ rules: [{ matches: [{}] }, { matches: [{ destinationPorts: [80] }] }] }],
      "request.headers[x]",
      "no effect",
    ],
    [
      "deny, one rule of two has an effect",
      "DENY",
      [{ to: [get] }, { to: [getOn80] }],
      [{ rules: [{ matches: [{}] }] }, { rules: [{ matches: [{ destinationPorts: [80] }] }] }],
      "methods",
      "enforced without them",
    ],
    [
      "deny, sorted names",
      "DENY",
      [
        {
          to: [{ operation: { paths: ["/"], hosts: ["h"] } }],
          from: [{ source: { remoteIpBlocks: ["1.1.1.1"], notRequestPrincipals: ["x"] } }],
        },
      ],
      [{ rules: [{ matches: [{}] }, { matches: [{}] }] }],
      "hosts, notRequestPrincipals, paths, remoteIpBlocks",
      "no effect",
    ],
  ])("%s", (...[, action, rules, groups, found, tail]) => {
    expect(groupsOf(action, ...rules)).toEqual(groups);
    const { condition, warnings } = translateAuthorizationPolicy(policyOf({ action, rules }), context);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`(found: ${found})`);
    expect(warnings[0]).toContain(tail);
    expect(condition).toMatchObject({ status: "True", reason: "UnsupportedValue", message: warnings[0] });
  });
});

describe("values that can't be read", () => {
  const ports = (...values: string[]): PolicyRule => ({ to: [{ operation: { ports: values } }] });
  test.each<[string, "ALLOW" | "DENY", PolicyRule, unknown]>([
    ["allow keeps the others", "ALLOW", ports("x", "80"), [{ rules: [{ matches: [{ destinationPorts: [80] }] }] }]],
    ["allow without others never matches", "ALLOW", ports("x"), []],
    [
      "allow with an excluded one never matches",
      "ALLOW",
      { to: [{ operation: { ports: ["80"], notPorts: ["x"] } }] },
      [],
    ],
    [
      "allow keeps other matches",
      "ALLOW",
      { to: [{ operation: { ports: ["x"] } }, { operation: { ports: ["80"] } }] },
      [{ rules: [{ matches: [{ destinationPorts: [80] }] }] }],
    ],
    [
      "deny drops the attribute",
      "DENY",
      { to: [{ operation: { ports: ["x", "80"], notPorts: ["81"] } }] },
      [{ rules: [{ matches: [{ notDestinationPorts: [81] }] }] }],
    ],
    [
      "deny drops the clause",
      "DENY",
      { ...ports("x"), from: [{ source: { namespaces: ["a"] } }] },
      [{ rules: [{ matches: [{ namespaces: [{ exact: "a" }] }] }] }],
    ],
    [
      "deny keeps excluded ones it can read",
      "DENY",
      { to: [{ operation: { notPorts: ["x", "81"] } }] },
      [{ rules: [{ matches: [{ notDestinationPorts: [81] }] }] }],
    ],
    ["deny matches everything in the end", "DENY", ports("x"), [{}]],
    ["an empty source allows nothing", "ALLOW", { from: [{ source: {} }] }, []],
    [
      "an empty source is denied as any",
      "DENY",
      { from: [{}], to: [{ operation: { ports: ["80"] } }] },
      [{ rules: [{ matches: [{ destinationPorts: [80] }] }] }],
    ],
    ["a condition without values allows nothing", "ALLOW", { when: [{ key: "source.ip" }] }, []],
    [
      "bad addresses",
      "ALLOW",
      { from: [{ source: { ipBlocks: ["10.0.0.0/99", "10.0.0.1"] } }] },
      [{ rules: [{ matches: [{ sourceIps: [{ address: "CgAAAQ==", length: 32 }] }] }] }],
    ],
  ])("%s", (_name, action, rule, expected) => {
    expect(groupsOf(action, rule)).toEqual(expected);
    const { warnings, condition } = translateAuthorizationPolicy(policyOf({ action, rules: [rule] }), context);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("spec.rules[0].");
    expect(warnings[0]).toContain(action === "ALLOW" ? "allows nothing" : "denies more");
    expect(condition?.reason).toBe("UnsupportedValue");
  });
});
