// SPDX-License-Identifier: Apache-2.0
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  Action,
  AuthorizationSchema,
  Scope,
  type MatchSchema,
  type StringMatchSchema,
} from "@ambientmesh/api/security";
import { compileAuthorization, policyNotUnderstood, type ConnectionFacts } from "../../src/index.ts";
import { trace } from "../../src/expression/explain.ts";
import { from } from "../support/connections.ts";

type MatchInit = MessageInitShape<typeof MatchSchema>;
type StringInit = MessageInitShape<typeof StringMatchSchema>;
type GroupsInit = { rules: { matches: MatchInit[] }[] }[];

const exact = (value: string): StringInit => ({ matchType: { case: "exact", value } });
const prefix = (value: string): StringInit => ({ matchType: { case: "prefix", value } });
const suffix = (value: string): StringInit => ({ matchType: { case: "suffix", value } });
const presence: StringInit = { matchType: { case: "presence", value: {} } };
const cidr = (bytes: number[], length: number) => ({ address: Uint8Array.from(bytes), length });
const account = (namespace: string, serviceAccount: string) => ({ namespace, serviceAccount });

function compile(groups: GroupsInit, action: Action = Action.ALLOW) {
  return compileAuthorization(create(AuthorizationSchema, { name: "p", namespace: "app", action, groups }));
}

function matches(match: MatchInit, facts: ConnectionFacts): boolean {
  const { policy, problems } = compile([{ rules: [{ matches: [match] }] }]);
  expect(problems).toEqual([]);
  return policy.matches(facts);
}

describe("attributes, as they are and negated", () => {
  const web = from("app/web");
  const plaintext = from(undefined);
  // field, values, connection, does one of the values match?
  test.each<[string, unknown[], ConnectionFacts, boolean]>([
    ["namespaces", [exact("app")], web, true],
    ["namespaces", [exact("ap")], web, false],
    ["namespaces", [prefix("ap")], web, true],
    ["namespaces", [suffix("pp")], web, true],
    ["namespaces", [presence], web, true],
    ["namespaces", [exact("x"), exact("app")], web, true],
    ["namespaces", [presence], plaintext, false],
    ["namespaces", [exact("app")], plaintext, false],
    ["namespaces", [exact("")], plaintext, true],
    ["namespaces", [prefix("")], plaintext, true],
    ["principals", [exact("td/ns/app/sa/web")], web, true],
    ["principals", [exact("td2/ns/app/sa/web")], web, false],
    ["principals", [prefix("td/ns/app/")], web, true],
    ["principals", [suffix("/sa/web")], web, true],
    ["principals", [presence], web, true],
    ["principals", [presence], plaintext, false],
    ["principals", [prefix("")], plaintext, false],
    ["principals", [exact("")], plaintext, false],
    ["serviceAccounts", [account("app", "web")], web, true],
    ["serviceAccounts", [account("app", "web")], from("app/web", { trustDomain: "other" }), true],
    ["serviceAccounts", [account("app", "db")], web, false],
    ["serviceAccounts", [account("other", "web")], web, false],
    ["serviceAccounts", [account("app", "web")], plaintext, false],
    ["sourceIps", [cidr([10, 0, 0, 0], 24)], web, true],
    ["sourceIps", [cidr([10, 0, 1, 0], 24)], web, false],
    ["sourceIps", [cidr([10, 0, 0, 1], 32)], plaintext, true],
    ["sourceIps", [cidr([10, 9, 9, 9], 8)], web, true],
    ["sourceIps", [cidr([0, 0, 0, 0], 0)], from("app/web", { sourceIp: "fd00::1" }), false],
    ["sourceIps", [cidr(Array(16).fill(0), 0)], from("app/web", { sourceIp: "fd00::1" }), true],
    ["sourceIps", [cidr([10, 0, 0, 1], 32)], from("app/web", { sourceIp: "::ffff:10.0.0.1" }), true],
    ["destinationIps", [cidr([10, 0, 0, 2], 32)], web, true],
    ["destinationIps", [cidr([10, 0, 0, 1], 32)], web, false],
    ["destinationPorts", [8080], web, true],
    ["destinationPorts", [80, 8080], plaintext, true],
    ["destinationPorts", [80], web, false],
  ])("%s %j", (field, values, facts, expected) => {
    const notField = `not${field.charAt(0).toUpperCase()}${field.slice(1)}`;
    expect(matches({ [field]: values }, facts)).toBe(expected);
    expect(matches({ [notField]: values }, facts)).toBe(!expected);
    // Both lists of an attribute have to hold.
    expect(matches({ [field]: values, [notField]: values }, facts)).toBe(false);
  });

  it("needs every attribute of a match", () => {
    const match = { namespaces: [exact("app")], destinationPorts: [80] };
    expect(matches(match, web)).toBe(false);
    expect(matches(match, from("app/web", { destinationPort: 80 }))).toBe(true);
    expect(matches(match, from("other/web", { destinationPort: 80 }))).toBe(false);
  });
});

describe("nesting", () => {
  const yes: MatchInit = { destinationPorts: [8080] };
  const no: MatchInit = { destinationPorts: [1] };
  const empty: MatchInit = {};
  test.each<[string, GroupsInit, boolean]>([
    ["no groups", [], false],
    ["a group without rules", [{ rules: [] }], true],
    ["a rule without matches", [{ rules: [{ matches: [] }] }], true],
    ["an empty match", [{ rules: [{ matches: [empty] }] }], false],
    ["an empty match beside one that matches", [{ rules: [{ matches: [empty, yes] }] }], true],
    ["an empty match in one of two rules", [{ rules: [{ matches: [yes] }, { matches: [empty] }] }], false],
    ["matches are alternatives", [{ rules: [{ matches: [no, yes] }] }], true],
    ["rules have to match all", [{ rules: [{ matches: [yes] }, { matches: [no] }] }], false],
    ["rules match all", [{ rules: [{ matches: [yes] }, { matches: [no, yes] }] }], true],
    ["a rule without matches adds nothing", [{ rules: [{ matches: [yes] }, { matches: [] }] }], true],
    ["groups are alternatives", [{ rules: [{ matches: [no] }] }, { rules: [{ matches: [yes] }] }], true],
    ["no group matches", [{ rules: [{ matches: [no] }] }, { rules: [{ matches: [no] }] }], false],
  ])("%s: %j", (_name, groups, expected) => {
    for (const action of [Action.ALLOW, Action.DENY]) {
      const { policy, problems } = compile(groups, action);
      expect([policy.matches(from("app/web")), problems]).toEqual([expected, []]);
    }
  });
});

describe("entries that are not understood", () => {
  const facts = from("app/web");
  const bad: [string, MatchInit][] = [
    ["an empty string match", { namespaces: [{ matchType: { case: undefined } }] }],
    ["a principal with a scheme", { principals: [exact("spiffe://td/ns/app/sa/web")] }],
    ["an address of 5 bytes", { sourceIps: [cidr([1, 2, 3, 4, 5], 8)] }],
    ["a block that is too long", { destinationIps: [cidr([10, 0, 0, 1], 33)] }],
    ["a port that is none", { destinationPorts: [65_536] }],
    ["port 0", { destinationPorts: [0] }],
    ["a service account without name", { serviceAccounts: [account("app", "")] }],
    ["an extension", { extensions: [{ name: "x" }] }],
  ];
  const negated = bad.slice(0, -1).map(([name, match]): [string, MatchInit] => {
    const [[field, values] = ["", []]] = Object.entries(match);
    return [`${name}, negated`, { [`not${field.charAt(0).toUpperCase()}${field.slice(1)}`]: values }];
  });

  test.each([...bad, ...negated])("%s: an allow matches nothing, a deny everything", (_name, match) => {
    for (const action of [Action.ALLOW, Action.DENY]) {
      const { policy, problems } = compile([{ rules: [{ matches: [match] }] }], action);
      expect(policy.matches(facts)).toBe(action === Action.DENY);
      expect(problems).toHaveLength(1);
      expect(problems[0]?.path).toMatch(/^groups\[0\]\.rules\[0\]\.matches\[0\]\.\w+(\[0\])?$/);
    }
  });

  test.each([...bad, ...negated])("%s: other entries still say no, or yes", (_name, match) => {
    const other: MatchInit = { ...match, destinationPorts: [80] };
    const groups = [{ rules: [{ matches: [other, { namespaces: [exact("app")] }] }] }];
    expect(compile(groups, Action.ALLOW).policy.matches(facts)).toBe(true);
    expect(compile(groups, Action.ALLOW).policy.matches(from("other/web"))).toBe(false);
  });

  it("an allow keeps the values it understands, a deny matches more", () => {
    const groups = [{ rules: [{ matches: [{ destinationPorts: [70_000, 80] }] }] }];
    const on80 = from("app/web", { destinationPort: 80 });
    expect([on80, facts].map(compile(groups).policy.matches)).toEqual([true, false]);
    expect([on80, facts].map(compile(groups, Action.DENY).policy.matches)).toEqual([true, true]);
    const not = [{ rules: [{ matches: [{ notDestinationPorts: [70_000, 80] }] }] }];
    expect([on80, facts].map(compile(not).policy.matches)).toEqual([false, false]);
    expect([on80, facts].map(compile(not, Action.DENY).policy.matches)).toEqual([false, true]);
  });

  /** The message with a field of number 99 added to the match at the end of the given path. */
  function withUnknownField(level: "authorization" | "group" | "rules" | "match" | "string", action: Action) {
    const extra = [{ no: 99, wireType: 0, data: Uint8Array.of(1) }];
    const name = { ...exact("app"), ...(level === "string" && { $unknown: extra }) };
    const message = create(AuthorizationSchema, {
      action,
      groups: [{ rules: [{ matches: [{ namespaces: [name] }] }] }],
    });
    const group = message.groups[0];
    const rules = group?.rules[0];
    const match = rules?.matches[0];
    const levels = { authorization: message, group, rules, match, string: match?.namespaces[0] };
    const target = levels[level];
    if (target) target.$unknown = extra;
    // Over the wire, as a newer istiod would send it.
    return compileAuthorization(fromBinary(AuthorizationSchema, toBinary(AuthorizationSchema, message)));
  }

  test.each([
    ["string", true],
    ["match", false],
    ["group", false],
    ["rules", true],
    ["authorization", false],
  ] as const)("an unknown field of a newer version in %s: a deny is wider: %j", (level, isWider) => {
    const allow = withUnknownField(level, Action.ALLOW);
    expect(allow.policy.matches(from("app/web"))).toBe(false);
    expect(allow.problems[0]?.message).toContain("unknown fields: 99");
    const deny = withUnknownField(level, Action.DENY);
    expect([from("app/web"), from("other/web")].map(deny.policy.matches)).toEqual([true, isWider]);
    expect(deny.problems).toHaveLength(1);
  });

  it("a policy whose action or scope is not known grants nothing", () => {
    const groups = [{ rules: [] }];
    const odd = compileAuthorization(
      create(AuthorizationSchema, { name: "p", namespace: "app", action: 7 as Action, scope: 9 as Scope, groups }),
    );
    expect(odd.policy).toMatchObject({ action: "allow", scope: "namespace" });
    expect(odd.policy.matches(facts)).toBe(false);
    expect(odd.problems.map(({ path }) => path)).toEqual(["scope", "action"]);
    expect(String(policyNotUnderstood("app/p", odd.problems))).toContain("app/p can't be understood: scope: is 9");
  });
});

it("spells out ten problems at most", () => {
  const { problems } = compile([{ rules: [{ matches: [{ destinationPorts: Array(5000).fill(0) }] }] }]);
  expect(problems).toHaveLength(5000);
  const { message } = policyNotUnderstood("app/p", problems);
  expect(message).toContain("and 4990 more");
  expect(message.length).toBeLessThan(2000);
});

it("reads name, scope and dry run", () => {
  const scopes = [Scope.GLOBAL, Scope.NAMESPACE, Scope.WORKLOAD_SELECTOR].map(
    (scope) => compileAuthorization(create(AuthorizationSchema, { name: "p", namespace: "app", scope })).policy,
  );
  expect(scopes.map(({ scope }) => scope)).toEqual(["global", "namespace", "named"]);
  expect(scopes[0]).toMatchObject({ key: "app/p", name: "p", namespace: "app", isDryRun: false });
  const dry = compileAuthorization(create(AuthorizationSchema, { name: "p", namespace: "app", dryRun: true }));
  expect(dry.policy.isDryRun).toBe(true);
});

const strings = fc.array(
  fc.oneof(
    fc.constantFrom(presence, { matchType: { case: undefined } }),
    fc
      .tuple(fc.constantFrom("exact", "prefix", "suffix"), fc.string({ maxLength: 4 }))
      .map(([kind, value]) => ({ matchType: { case: kind, value } })),
  ),
  { maxLength: 2 },
);
const addresses = fc.array(fc.record({ address: fc.uint8Array({ maxLength: 17 }), length: fc.nat(200) }), {
  maxLength: 2,
});
const ports = fc.array(fc.nat(2 ** 32 - 1), { maxLength: 2 });
const match = fc.record(
  {
    namespaces: strings,
    notPrincipals: strings,
    sourceIps: addresses,
    notDestinationIps: addresses,
    destinationPorts: ports,
  },
  { requiredKeys: [] },
) as fc.Arbitrary<MatchInit>;

test("any message compiles, is judged as it is explained, and unknown enums are reported", () => {
  const groups = fc.array(
    fc.record({ rules: fc.array(fc.record({ matches: fc.array(match, { maxLength: 3 }) }), { maxLength: 3 }) }),
    { maxLength: 3 },
  );
  const message = fc.record({ groups, action: fc.nat(3), scope: fc.nat(4) });
  fc.assert(
    fc.property(message, (init) => {
      const { policy, problems } = compileAuthorization(create(AuthorizationSchema, init as never));
      const facts = from("app/web");
      expect(trace(policy.expression, facts, policy.action === "deny").isTrue).toBe(policy.matches(facts));
      expect(init.action > 1 || init.scope > 2 ? problems.length > 0 : true).toBe(true);
    }),
  );
});

test("arbitrary bytes never throw once they are decoded", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      let message;
      try {
        message = fromBinary(AuthorizationSchema, bytes);
      } catch {
        // Not a message at all, which is the decoder's to say.
        return;
      }
      const { policy } = compileAuthorization(message);
      expect(typeof policy.matches(from(undefined))).toBe("boolean");
    }),
    { numRuns: 2000 },
  );
});
