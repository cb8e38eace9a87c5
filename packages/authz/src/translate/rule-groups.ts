// SPDX-License-Identifier: Apache-2.0
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GroupSchema, MatchSchema, RulesSchema, StringMatchSchema } from "@ambientmesh/api/security";
import { httpAttributesOf, type Constraint, type Rule, type Term } from "../objects/rule.ts";
import type { Cidr } from "../values/ip.ts";
import type { Pattern } from "../values/pattern.ts";

export type GroupInit = MessageInitShape<typeof GroupSchema>;
type RulesInit = MessageInitShape<typeof RulesSchema>;
type StringMatchInit = MessageInitShape<typeof StringMatchSchema>;
type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type MatchInit = Mutable<Exclude<MessageInitShape<typeof MatchSchema>, { $typeName: string }>>;

type Action = "allow" | "deny";

/** Clauses that all have to hold, none if that is always so; undefined if it never is. */
type Clauses = readonly RulesInit[] | undefined;

/** A source, operation or condition on the wire: matches that all have to hold (more than one is rare). */
type WireTerm = "always" | "never" | readonly MatchInit[];

/**
 * The groups that say what a rule says, none if it can never match.
 *
 * Values that can't be read make an allow rule match less and a deny rule match more; on the wire that means leaving out
 * values, whole attributes or whole clauses. HTTP attributes follow Istio: they drop an allow rule; in a deny rule they
 * are left out, and a match of which nothing is left stays, empty, and never matches.
 */
export function ruleGroups(rule: Rule, action: Action): readonly GroupInit[] {
  if (action === "allow" && httpAttributesOf(rule).length > 0) return [];
  const to = clauseOf(rule.to, action);
  const when = every(rule.when.map((term) => clauseOf([term], action)));
  return fromClauses(rule, action).flatMap((from) => {
    const rules = every([to, from, when]);
    return rules === undefined ? [] : [{ rules }];
  });
}

/** Clauses need one of their matches; a source that takes two matches needs a group of its own to have both. */
function fromClauses(rule: Rule, action: Action): readonly Clauses[] {
  const terms = rule.from.map((term) => wireTerm(term, action));
  if (!terms.some((term) => typeof term !== "string" && term.length > 1)) return [clauseOf(rule.from, action)];
  return terms.map((term) => {
    if (term === "never") return undefined;
    return term === "always" ? [] : term.map((match) => ({ matches: [match] }));
  });
}

/** False for a group that can never match because one of its clauses holds only empty matches. */
export function isEffective(group: GroupInit): boolean {
  return (group.rules ?? []).every(({ matches }) => matches?.some((match) => Object.keys(match).length > 0));
}

/** One of the terms. */
function clauseOf(terms: readonly Term[], action: Action): Clauses {
  const wire = terms.map((term) => wireTerm(term, action));
  if (wire.length === 0 || wire.includes("always")) return [];
  const matches = wire.flatMap((term) => (typeof term === "string" ? [] : term));
  return matches.length === 0 ? undefined : [{ matches }];
}

function every(parts: readonly Clauses[]): RulesInit[] | undefined {
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
}

function wireTerm(term: Term, action: Action): WireTerm {
  const match: MatchInit = {};
  let trustDomains: readonly Pattern[] = [];
  let isWidened = term.constraints.length === 0 && term.httpAttributes.length === 0;
  for (const constraint of term.constraints) {
    const { isNegated, unreadable, values } = constraint;
    // Unreadable counts as false in what has to match and as true in what must not, or the other way round in a deny.
    const isFalse = action === "allow" && unreadable.length > 0 && (isNegated || values.length === 0);
    const isTrue = action === "deny" && unreadable.length > 0 && (!isNegated || values.length === 0);
    if (isFalse) return "never";
    if (isTrue) isWidened = true;
    else if (constraint.attribute === "trustDomains" && !isNegated) trustDomains = constraint.values;
    else addTo(match, constraint);
  }
  if (action === "allow" && isWidened) return "never";
  const isEmpty = Object.keys(match).length === 0;
  if (trustDomains.length === 0) return isEmpty && isWidened ? "always" : [match];
  const ofTrustDomain: MatchInit = { principals: trustDomains.map(stringMatch) };
  if (match.principals === undefined) return [{ ...match, ...ofTrustDomain }];
  return [match, ofTrustDomain];
}

function addTo(match: MatchInit, constraint: Constraint): void {
  const { isNegated } = constraint;
  switch (constraint.attribute) {
    case "namespaces":
      match[isNegated ? "notNamespaces" : "namespaces"] = constraint.values.map(stringMatch);
      break;
    case "principals":
    case "trustDomains": {
      const field = isNegated ? "notPrincipals" : "principals";
      match[field] = [...(match[field] ?? []), ...constraint.values.map(stringMatch)];
      break;
    }
    case "serviceAccounts":
      match[isNegated ? "notServiceAccounts" : "serviceAccounts"] = constraint.values.map(({ namespace, name }) => ({
        namespace,
        serviceAccount: name,
      }));
      break;
    case "sourceIps":
      match[isNegated ? "notSourceIps" : "sourceIps"] = constraint.values.map(addressOf);
      break;
    case "destinationIps":
      match[isNegated ? "notDestinationIps" : "destinationIps"] = constraint.values.map(addressOf);
      break;
    case "destinationPorts":
      match[isNegated ? "notDestinationPorts" : "destinationPorts"] = [...constraint.values];
  }
}

function addressOf(cidr: Cidr): { address: Uint8Array<ArrayBuffer>; length: number } {
  return { address: Uint8Array.from(cidr.ip.bytes), length: cidr.length };
}

function stringMatch(pattern: Pattern): StringMatchInit {
  return pattern.kind === "presence"
    ? { matchType: { case: "presence", value: {} } }
    : { matchType: { case: pattern.kind, value: pattern.text } };
}
