// SPDX-License-Identifier: Apache-2.0
import type { Message } from "@bufbuild/protobuf";
import {
  Action,
  Scope,
  type Address,
  type Authorization,
  type Group,
  type Match,
  type Rules,
  type ServiceAccountMatch,
  type StringMatch,
} from "@ambientmesh/api/security";
import type { ConnectionFacts } from "../engine/connection.ts";
import { compilePolicy, type CompiledPolicy, type PolicyDefinition, type PolicyScope } from "../engine/policy.ts";
import {
  destinationIpIsIn,
  destinationPortIsOneOf,
  principalIsOneOf,
  serviceAccountIsOneOf,
  sourceIpIsIn,
  sourceNamespaceIsOneOf,
} from "../expression/attributes.ts";
import { all, always, any, never, not, unknown, type Expression, type Leaf } from "../expression/expression.ts";
import { parsed, unreadable, type Parsed, type Problem } from "../problem.ts";
import { cidrOfBytes, type Cidr } from "../values/ip.ts";
import { checkPrincipal, PRESENCE, type Pattern } from "../values/pattern.ts";
import { checkPort } from "../values/port.ts";
import { checkServiceAccount, type ServiceAccountName } from "../values/service-account.ts";

/** A policy off the wire. */
export interface CompiledAuthorization {
  /** Can always be enforced: what was not understood errs to the safe side. */
  readonly policy: CompiledPolicy;
  /**
   * What was not understood, unknown fields included. If there is anything, the resource should be refused (NACK) and
   * the last good version kept; a proxy that has none enforces {@link policy}.
   */
  readonly problems: readonly Problem[];
}

/**
 * Compiles what istiod sends to node proxies (`istio.security.Authorization`, Istio 1.31). Never throws.
 *
 * Groups are alternatives, a policy without groups never matches. A group needs all of its rules, a rule one of its
 * matches; without any they match. A match needs all of its attributes; without any it never matches.
 */
export function compileAuthorization(authorization: Authorization): CompiledAuthorization {
  const reader = new Reader();
  const policy = compilePolicy(reader.read(authorization));
  return { policy, problems: reader.problems };
}

type Condition = Expression<ConnectionFacts>;

/** One attribute of a match: how its values are read, and what asks for them. */
interface Attribute<Wire, Value> {
  readonly field: string;
  readonly parse: (value: Wire) => Parsed<Value>;
  readonly leaf: (values: readonly Value[]) => Leaf<ConnectionFacts>;
}

const NAMESPACES: Attribute<StringMatch, Pattern> = {
  field: "namespaces",
  parse: patternOf,
  leaf: sourceNamespaceIsOneOf,
};
const PRINCIPALS: Attribute<StringMatch, Pattern> = {
  field: "principals",
  parse(value) {
    const pattern = patternOf(value);
    return pattern.ok ? checkPrincipal(pattern.value) : pattern;
  },
  leaf: principalIsOneOf,
};
const SOURCE_IPS: Attribute<Address, Cidr> = { field: "sourceIps", parse: cidrOf, leaf: sourceIpIsIn };
const DESTINATION_IPS: Attribute<Address, Cidr> = { field: "destinationIps", parse: cidrOf, leaf: destinationIpIsIn };
const DESTINATION_PORTS: Attribute<number, number> = {
  field: "destinationPorts",
  parse: checkPort,
  leaf: destinationPortIsOneOf,
};
const SERVICE_ACCOUNTS: Attribute<ServiceAccountMatch, ServiceAccountName> = {
  field: "serviceAccounts",
  parse: serviceAccountOf,
  leaf: serviceAccountIsOneOf,
};

const SCOPES: ReadonlyMap<number, PolicyScope> = new Map([
  [Scope.GLOBAL, "global"],
  [Scope.NAMESPACE, "namespace"],
  [Scope.WORKLOAD_SELECTOR, "named"],
]);

class Reader {
  readonly problems: Problem[] = [];

  read(authorization: Authorization): PolicyDefinition<ConnectionFacts> {
    const { namespace, name, action, dryRun, groups } = authorization;
    const scope = SCOPES.get(authorization.scope);
    if (scope === undefined) this.#report("scope", `is ${authorization.scope}, which is not known`);
    const isKnownAction = action === Action.ALLOW || action === Action.DENY;
    if (!isKnownAction) this.#report("action", `is ${action}, which is not known`);
    const isUnderstood = this.#hasOnlyKnownFields(authorization, "") && isKnownAction;
    const conditions = groups.map((group, at) => this.#group(group, `groups[${at}]`));
    return {
      namespace,
      name,
      // Its home is the best guess for a policy whose reach is not understood.
      scope: scope ?? "namespace",
      action: action === Action.DENY ? "deny" : "allow",
      isDryRun: dryRun,
      expression: guarded(conditions.length === 0 ? never("has no rules") : any(conditions), action, isUnderstood),
    };
  }

  /** Needs all rules, so what is not understood counts as one more. */
  #group(group: Group, path: string): Condition {
    const parts = group.rules.map((rules, at) => this.#rules(rules, `${path}.rules[${at}]`));
    if (!this.#hasOnlyKnownFields(group, path)) parts.push(unknown(path));
    return parts.length === 0 ? always("has no conditions") : all(parts);
  }

  /** Needs one match; what is not understood may add or take away. */
  #rules(rules: Rules, path: string): Condition {
    const parts = rules.matches.map((match, at) => this.#match(match, `${path}.matches[${at}]`));
    if (!this.#hasOnlyKnownFields(rules, path)) return unknown(path);
    return parts.length === 0 ? always("has no matches") : any(parts);
  }

  /** Needs all attributes, so what is not understood counts as one more. */
  #match(match: Match, path: string): Condition {
    const parts = [
      ...this.#attribute(path, NAMESPACES, match.namespaces, match.notNamespaces),
      ...this.#attribute(path, PRINCIPALS, match.principals, match.notPrincipals),
      ...this.#attribute(path, SERVICE_ACCOUNTS, match.serviceAccounts, match.notServiceAccounts),
      ...this.#attribute(path, SOURCE_IPS, match.sourceIps, match.notSourceIps),
      ...this.#attribute(path, DESTINATION_IPS, match.destinationIps, match.notDestinationIps),
      ...this.#attribute(path, DESTINATION_PORTS, match.destinationPorts, match.notDestinationPorts),
    ];
    if (match.extensions.length > 0) {
      this.#report(`${path}.extensions`, "holds conditions of a kind that is not known");
      parts.push(unknown(`${path}.extensions`));
    }
    if (!this.#hasOnlyKnownFields(match, path)) parts.push(unknown(path));
    return parts.length === 0 ? never("has no attributes") : all(parts);
  }

  #attribute<Wire, Value>(
    path: string,
    attribute: Attribute<Wire, Value>,
    values: readonly Wire[],
    notValues: readonly Wire[],
  ): Condition[] {
    const { field } = attribute;
    const notField = `not${field.charAt(0).toUpperCase()}${field.slice(1)}`;
    const conditions: Condition[] = [];
    if (values.length > 0) conditions.push(this.#oneOf(`${path}.${field}`, attribute, values));
    if (notValues.length > 0) conditions.push(not(this.#oneOf(`${path}.${notField}`, attribute, notValues)));
    return conditions;
  }

  #oneOf<Wire, Value>(path: string, attribute: Attribute<Wire, Value>, values: readonly Wire[]): Condition {
    const good: Value[] = [];
    const conditions: Condition[] = [];
    for (const [at, value] of values.entries()) {
      const result = attribute.parse(value);
      if (result.ok) good.push(result.value);
      else conditions.push(this.#notUnderstood(`${path}[${at}]`, result.message));
    }
    if (good.length > 0) conditions.unshift(attribute.leaf(good));
    return any(conditions);
  }

  #notUnderstood(path: string, message: string): Condition {
    this.#report(path, message);
    return unknown(`${path} ${message}`);
  }

  #hasOnlyKnownFields(message: Message, path: string): boolean {
    const numbers = unknownFields(message);
    if (numbers !== "") this.#report(path, `has unknown fields: ${numbers}`);
    return numbers === "";
  }

  #report(path: string, message: string): void {
    this.problems.push({ path, message });
  }
}

/**
 * What is not understood about a policy as a whole may narrow it, so an allow policy, or one whose action is not known,
 * grants nothing; a deny policy stays as it reads.
 */
function guarded(expression: Condition, action: number, isUnderstood: boolean): Condition {
  if (isUnderstood || action === Action.DENY) return expression;
  return never("parts of the policy are not understood, so it allows nothing");
}

/** The numbers of fields that a newer istiod sends and this version does not know; "" if there are none. */
function unknownFields(message: Message): string {
  const numbers = new Set(message.$unknown?.map(({ no }) => no));
  return [...numbers].sort((a, b) => a - b).join(", ");
}

function understood<T>(message: Message, value: Parsed<T>): Parsed<T> {
  const numbers = unknownFields(message);
  return numbers === "" ? value : unreadable(`has unknown fields: ${numbers}`);
}

function patternOf(match: StringMatch): Parsed<Pattern> {
  const { matchType } = match;
  switch (matchType.case) {
    case "exact":
    case "prefix":
    case "suffix":
      return understood(match, parsed({ kind: matchType.case, text: matchType.value }));
    case "presence":
      return understood(match, parsed(PRESENCE));
    default:
      return unreadable("says nothing, or compares in a way that is not known");
  }
}

function cidrOf(address: Address): Parsed<Cidr> {
  return understood(address, cidrOfBytes(address.address, address.length));
}

function serviceAccountOf(match: ServiceAccountMatch): Parsed<ServiceAccountName> {
  const { namespace, serviceAccount } = match;
  return understood(match, checkServiceAccount({ namespace, name: serviceAccount }));
}
