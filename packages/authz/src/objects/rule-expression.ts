// SPDX-License-Identifier: Apache-2.0
import type { ConnectionFacts } from "../engine/connection.ts";
import {
  destinationIpIsIn,
  destinationPortIsOneOf,
  principalIsOneOf,
  serviceAccountIsOneOf,
  sourceIpIsIn,
  sourceNamespaceIsOneOf,
} from "../expression/attributes.ts";
import { all, always, any, never, not, unknown, type Expression, type Leaf } from "../expression/expression.ts";
import { httpAttributesOf, type Constraint, type Rule, type Term } from "./rule.ts";

type Condition = Expression<ConnectionFacts>;

/**
 * When a rule matches at L4. An allow rule that asks for HTTP attributes never does. In a deny rule they are left out,
 * and a source, operation or condition of which nothing is left never matches, as in Istio 1.31.
 */
export function ruleExpression(rule: Rule, action: "allow" | "deny"): Condition {
  const http = httpAttributesOf(rule);
  if (action === "allow" && http.length > 0) return never(`needs HTTP attributes: ${http.join(", ")}`);
  const clauses = [rule.to, rule.from, ...rule.when.map((term) => [term])].filter((terms) => terms.length > 0);
  if (clauses.length === 0) return always("has no conditions");
  return all(clauses.map((terms) => any(terms.map(termExpression))));
}

function termExpression(term: Term): Condition {
  if (term.constraints.length > 0) return all(term.constraints.map(constraintExpression));
  if (term.httpAttributes.length > 0) return never(`${term.path} has HTTP attributes only`);
  return unknown(`${term.path} is empty`);
}

function constraintExpression(constraint: Constraint): Condition {
  const conditions: Condition[] = constraint.unreadable.map((because) => unknown(because));
  if (constraint.values.length > 0) conditions.unshift(leafOf(constraint));
  return constraint.isNegated ? not(any(conditions)) : any(conditions);
}

function leafOf(constraint: Constraint): Leaf<ConnectionFacts> {
  switch (constraint.attribute) {
    case "namespaces":
      return sourceNamespaceIsOneOf(constraint.values);
    case "principals":
    case "trustDomains":
      return principalIsOneOf(constraint.values);
    case "serviceAccounts":
      return serviceAccountIsOneOf(constraint.values);
    case "sourceIps":
      return sourceIpIsIn(constraint.values);
    case "destinationIps":
      return destinationIpIsIn(constraint.values);
    case "destinationPorts":
      return destinationPortIsOneOf(constraint.values);
  }
}
