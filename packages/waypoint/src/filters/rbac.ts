// SPDX-License-Identifier: Apache-2.0
import { all, always, any, not, toTest, type Expression } from "@ambientmesh/authz";
import { RBAC_Action as Action, type Permission, type Principal, type RBAC } from "@ambientmesh/api/envoy/rbac";
import type { PathMatcher, StringMatcher } from "@ambientmesh/api/envoy/type";
import { unsupported } from "../config/refusal.ts";
import { pathOf, requestHeaderValues, type RequestHead } from "../http/head.ts";
import type { LocalReply } from "../http/local-reply.ts";
import { compileHeaderMatcher } from "../match/header-matcher.ts";
import { compileStringMatcher } from "../match/string-matcher.ts";
import type { ConnectionFacts } from "../telemetry/request-record.ts";
import { compileIpRange } from "./ip-range.ts";

/** What policies may ask about. */
export interface RequestFacts {
  readonly head: RequestHead;
  readonly connection: ConnectionFacts;
  /** The client's address after `x-forwarded-for`. */
  readonly clientAddress: string;
}

/** One rule set: the name of the policy that decided, if one matched. */
export interface CompiledRbac {
  readonly action: "allow" | "deny" | "log";
  readonly match: (facts: RequestFacts) => string | undefined;
}

type Part = Expression<RequestFacts>;

/** Compiles to the form that all policies of the mesh have. @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileRbac(rules: RBAC, path: string): CompiledRbac {
  // In the order of names, as in Envoy, whose map is sorted.
  const names = Object.keys(rules.policies).sort();
  const policies = names.map((name) => {
    const at = `${path}.policies["${name}"]`;
    const { permissions = [], principals = [] } = rules.policies[name] ?? {};
    const whole = all([
      any(permissions.map((permission, index) => permissionPart(permission, `${at}.permissions[${index}]`))),
      any(principals.map((principal, index) => principalPart(principal, `${at}.principals[${index}]`))),
    ]);
    // Nothing is unknown here: what is not understood was refused.
    return { name, test: toTest(whole, false) };
  });
  return {
    action: rules.action === Action.DENY ? "deny" : rules.action === Action.LOG ? "log" : "allow",
    match: (facts) => policies.find(({ test }) => test(facts))?.name,
  };
}

/** The refusal, if the rules say so. */
export function enforceRbac({ action, match }: CompiledRbac, facts: RequestFacts): LocalReply | undefined {
  if (action === "log") return undefined;
  const policy = match(facts);
  if ((policy !== undefined) === (action === "allow")) return undefined;
  const details = `rbac_access_denied_matched_policy[${policy?.replaceAll(/\s/g, "_") ?? "none"}]`;
  return { status: 403, body: "RBAC: access denied", details };
}

function leaf(what: string, test: (facts: RequestFacts) => boolean, actual: (facts: RequestFacts) => string): Part {
  return { kind: "test", test, describe: () => what, actual };
}

function permissionPart({ rule }: Permission, path: string): Part {
  switch (rule.case) {
    case "any":
      return always("any");
    case "andRules":
      return all(rule.value.rules.map((part, index) => permissionPart(part, `${path}.and_rules.rules[${index}]`)));
    case "orRules":
      return any(rule.value.rules.map((part, index) => permissionPart(part, `${path}.or_rules.rules[${index}]`)));
    case "notRule":
      return not(permissionPart(rule.value, `${path}.not_rule`));
    case "header":
      return headerPart(rule.value, `${path}.header`);
    case "urlPath":
      return pathPart(rule.value, `${path}.url_path`);
    case "destinationIp": {
      const isIn = compileIpRange(rule.value, `${path}.destination_ip`);
      const actual = ({ connection }: RequestFacts): string => connection.localAddress;
      return leaf("destination ip", (facts) => isIn(actual(facts)), actual);
    }
    case "destinationPort":
      return portPart(rule.value, rule.value + 1);
    case "destinationPortRange":
      return portPart(rule.value.start, rule.value.end);
    default:
      throw unsupported(path);
  }
}

function principalPart({ identifier }: Principal, path: string): Part {
  switch (identifier.case) {
    case "any":
      return always("any");
    case "andIds":
      return all(identifier.value.ids.map((part, index) => principalPart(part, `${path}.and_ids.ids[${index}]`)));
    case "orIds":
      return any(identifier.value.ids.map((part, index) => principalPart(part, `${path}.or_ids.ids[${index}]`)));
    case "notId":
      return not(principalPart(identifier.value, `${path}.not_id`));
    case "header":
      return headerPart(identifier.value, `${path}.header`);
    case "urlPath":
      return pathPart(identifier.value, `${path}.url_path`);
    case "authenticated":
      return authenticatedPart(identifier.value.principalName, `${path}.authenticated.principal_name`);
    case "remoteIp":
      return addressPart(compileIpRange(identifier.value, `${path}.remote_ip`), ({ clientAddress }) => clientAddress);
    case "sourceIp":
    case "directRemoteIp": {
      const isIn = compileIpRange(identifier.value, `${path}.direct_remote_ip`);
      return addressPart(isIn, ({ connection }) => connection.remoteAddress);
    }
    default:
      throw unsupported(path);
  }
}

function addressPart(isIn: (address: string) => boolean, actual: (facts: RequestFacts) => string): Part {
  return leaf("source ip", (facts) => isIn(actual(facts)), actual);
}

/** Clients that proved nothing match nothing; without a matcher any certificate will do. */
function authenticatedPart(matcher: StringMatcher | undefined, path: string): Part {
  const test = matcher && compileStringMatcher(matcher, path);
  const principals = ({ connection }: RequestFacts): readonly string[] | undefined => connection.principals;
  return leaf(
    "principal",
    (facts) => {
      const names = principals(facts);
      return names !== undefined && (test === undefined || names.some(test));
    },
    (facts) => principals(facts)?.join(", ") ?? "without identity",
  );
}

function headerPart(matcher: Parameters<typeof compileHeaderMatcher>[0], path: string): Part {
  const test = compileHeaderMatcher(matcher, path);
  const lookup = ({ head }: RequestFacts, name: string): readonly string[] => requestHeaderValues(head, name);
  return leaf(
    `header ${matcher.name}`,
    (facts) => test((name) => lookup(facts, name)),
    (facts) => lookup(facts, matcher.name.toLowerCase()).join(", "),
  );
}

function pathPart({ rule }: PathMatcher, path: string): Part {
  const test = compileStringMatcher(rule.value, `${path}.path`);
  const actual = ({ head }: RequestFacts): string => pathOf(head.path);
  return leaf("path", (facts) => test(actual(facts)), actual);
}

function portPart(from: number, until: number): Part {
  const actual = ({ connection }: RequestFacts): number => connection.localPort;
  return leaf(
    `destination port is in [${from}, ${until})`,
    (facts) => actual(facts) >= from && actual(facts) < until,
    (facts) => String(actual(facts)),
  );
}
