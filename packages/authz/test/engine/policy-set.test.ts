// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import {
  PolicySet,
  always,
  compilePolicy,
  connectionFacts,
  explanationText,
  never,
  reasonText,
  sourceNamespaceIsOneOf,
  not,
  any,
  unknown,
  type CompiledPolicy,
  type Expression,
  type ConnectionFacts,
  type PolicyScope,
} from "../../src/index.ts";
import { from } from "../support/connections.ts";

const target = { namespace: "app", policyNames: ["app/named", "other/named"] };
const facts = from("app/web");

interface Options {
  readonly scope?: PolicyScope;
  readonly isDryRun?: boolean;
  readonly expression?: Expression<ConnectionFacts>;
}

function policy(key: string, action: "allow" | "deny", options: Options = {}): CompiledPolicy {
  const [namespace = "", name = ""] = key.split("/");
  return compilePolicy({
    namespace,
    name,
    action,
    scope: "namespace",
    isDryRun: false,
    expression: always("test"),
    ...options,
  });
}

function setOf(...policies: CompiledPolicy[]): PolicySet {
  const set = new PolicySet();
  for (const entry of policies) set.set(entry);
  return set;
}

const no = { expression: never<ConnectionFacts>("test") };

describe("order", () => {
  test.each<[string, CompiledPolicy[], boolean, string]>([
    ["nothing", [], true, "no allow policies"],
    ["a deny that matches", [policy("app/a", "allow"), policy("app/d", "deny")], false, "explicitly denied by: app/d"],
    ["a deny that does not match", [policy("app/d", "deny", no)], true, "no allow policies"],
    ["an allow that matches", [policy("app/a", "allow", no), policy("app/b", "allow")], true, "allowed by: app/b"],
    ["an allow that does not match", [policy("app/a", "allow", no)], false, "allow policies exist, but none allowed"],
    ["a dry-run deny", [policy("app/d", "deny", { isDryRun: true })], true, "no allow policies"],
    ["a dry-run allow alone", [policy("app/a", "allow", { isDryRun: true, ...no })], true, "no allow policies"],
    [
      "a dry-run allow does not allow",
      [policy("app/a", "allow", no), policy("app/b", "allow", { isDryRun: true })],
      false,
      "allow policies exist, but none allowed",
    ],
  ])("%s", (_name, policies, allowed, text) => {
    const { allowed: isAllowed, reason } = setOf(...policies).evaluate(target, facts);
    expect([isAllowed, reasonText(reason)]).toEqual([allowed, text]);
  });
});

describe("scope", () => {
  test.each<[string, CompiledPolicy, boolean]>([
    ["its namespace", policy("app/x", "deny"), true],
    ["another namespace", policy("other/x", "deny"), false],
    ["global", policy("root/x", "deny", { scope: "global" }), true],
    ["named by the workload", policy("app/named", "deny", { scope: "named" }), true],
    ["named, of another namespace", policy("other/named", "deny", { scope: "named" }), true],
    ["not named", policy("app/x", "deny", { scope: "named" }), false],
    ["named, though of namespace scope", policy("other/named", "deny"), true],
  ])("a policy of %s applies: %j", (_name, entry, applies) => {
    expect(setOf(entry).evaluate(target, facts).allowed).toBe(!applies);
  });

  it("judges a policy once, even if it is named and applies anyway", () => {
    const dry = { isDryRun: true };
    const set = setOf(policy("app/named", "deny", dry), policy("other/named", "deny", { ...dry, scope: "global" }));
    const twice = { ...target, policyNames: ["app/named", "app/named", "other/named"] };
    expect(set.evaluate(twice, facts).dryRun).toHaveLength(2);
  });
});

it("follows changes: replaced, moved to another scope, deleted", () => {
  const set = setOf(policy("app/x", "deny"));
  expect(set.evaluate(target, facts).allowed).toBe(false);
  set.set(policy("app/x", "deny", no));
  expect(set.evaluate(target, facts).allowed).toBe(true);
  set.set(policy("app/x", "deny", { scope: "global" }));
  expect(set.evaluate({ namespace: "elsewhere", policyNames: [] }, facts).allowed).toBe(false);
  set.set(policy("app/x", "deny", { scope: "named" }));
  expect(set.evaluate(target, facts).allowed).toBe(true);
  expect([set.size, set.get("app/x")?.scope, [...set.values()].length]).toEqual([1, "named", 1]);
  expect([set.delete("app/x"), set.delete("app/x"), set.size]).toEqual([true, false, 0]);
});

it("names the policies that are missing", () => {
  const set = setOf(policy("app/named", "allow", { scope: "named" }));
  expect(set.missing(target)).toEqual(["other/named"]);
});

describe("dry run", () => {
  it("lists what matched and what would be decided", () => {
    const dry = { isDryRun: true };
    const set = setOf(
      policy("app/allow", "allow", dry),
      policy("app/deny", "deny", dry),
      policy("app/other", "deny", { ...dry, ...no }),
    );
    expect(set.evaluate(target, facts)).toEqual({
      allowed: true,
      reason: { kind: "no-allow-policies" },
      dryRun: [
        { policy: "app/deny", action: "deny" },
        { policy: "app/allow", action: "allow" },
      ],
      ifEnforced: { allowed: false, reason: { kind: "denied", policy: "app/deny" } },
    });
  });

  it("says so when an allow policy would shut out what is open now", () => {
    const verdict = setOf(policy("app/allow", "allow", { isDryRun: true, ...no })).evaluate(target, facts);
    expect(verdict).toMatchObject({ allowed: true, dryRun: [], ifEnforced: { allowed: false } });
  });

  it("says nothing where no dry-run policy applies", () => {
    expect(setOf(policy("app/allow", "allow")).evaluate(target, facts)).not.toHaveProperty("ifEnforced");
  });
});

it("explains every policy", () => {
  const isOther = sourceNamespaceIsOneOf([{ kind: "prefix", text: "oth" }]);
  const set = setOf(
    policy("app/deny", "deny", { expression: isOther }),
    policy("app/dry", "deny", { isDryRun: true, expression: not(isOther) }),
    policy("root/allow", "allow", { scope: "global", expression: any([isOther, unknown("groups[0] x")]) }),
  );
  expect(explanationText(set.explain(target, facts))).toMatchInlineSnapshot(`
    "denied: allow policies exist, but none allowed
    with the dry-run policies enforced: denied: explicitly denied by: app/dry
    deny policy app/dry (namespace, dry run)
      yes not
        no  source namespace is one of oth* (is app)
    deny policy app/deny (namespace)
      no  source namespace is one of oth* (is app)
    allow policy root/allow (global)
      no  any of
        no  source namespace is one of oth* (is app)
        no  not understood: groups[0] x
    policy app/named is named by the workload but not known
    policy other/named is named by the workload but not known"
  `);
});

it("runs over facts of any kind, so that requests need no second engine", () => {
  interface RequestFacts extends ConnectionFacts {
    readonly method: string;
  }
  const set = new PolicySet<RequestFacts>();
  const isGet: Expression<RequestFacts> = {
    kind: "test",
    test: ({ method }) => method === "GET",
    describe: () => "method is GET",
    actual: ({ method }) => method,
  };
  const expression: Expression<RequestFacts> = {
    kind: "all",
    of: [isGet, sourceNamespaceIsOneOf([{ kind: "presence" }])],
  };
  set.set(
    compilePolicy({ namespace: "app", name: "get", scope: "namespace", action: "allow", isDryRun: false, expression }),
  );
  expect(set.evaluate(target, { ...facts, method: "GET" }).allowed).toBe(true);
  expect(set.evaluate(target, { ...facts, method: "PUT" }).allowed).toBe(false);
});

test.each([
  [{ sourceIp: "nowhere" }, "sourceIp"],
  [{ destinationIp: "10.0.0.1/8" }, "destinationIp"],
  [{ destinationPort: 0 }, "destinationPort"],
  [{ destinationPort: 70_000 }, "destinationPort"],
])("refuses a connection with %o", (over, field) => {
  const connection = { sourceIp: "10.0.0.1", destinationIp: "10.0.0.2", destinationPort: 80, ...over };
  expect(() => connectionFacts(connection)).toThrow(
    expect.objectContaining({ code: "AUTHZ_CONNECTION_INVALID", details: { field, connection } }) as Error,
  );
});
