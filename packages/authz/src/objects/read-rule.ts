// SPDX-License-Identifier: Apache-2.0
import type { PolicyCondition, PolicyOperation, PolicyRule, PolicySource } from "@ambientmesh/api/istio";
import type { Parsed, Problem } from "../problem.ts";
import { parseCidr } from "../values/ip.ts";
import { parsePattern, parsePrincipal, parseTrustDomain } from "../values/pattern.ts";
import { parsePort } from "../values/port.ts";
import { parseServiceAccount } from "../values/service-account.ts";
import { positiveOf } from "./negation.ts";
import type { Constraint, Rule, Term } from "./rule.ts";

type Attribute = Constraint["attribute"];
type Values = readonly string[] | undefined;

/** Which L4 attribute a field of a source or operation, or the key of a condition, is. */
const SOURCE_FIELDS = {
  principals: "principals",
  namespaces: "namespaces",
  serviceAccounts: "serviceAccounts",
  ipBlocks: "sourceIps",
  trustDomains: "trustDomains",
} as const;
const OPERATION_FIELDS = { ports: "destinationPorts" } as const;
const CONDITION_KEYS: ReadonlyMap<string, Attribute> = new Map([
  ["source.ip", "sourceIps"],
  ["source.namespace", "namespaces"],
  ["source.principal", "principals"],
  ["source.serviceAccount", "serviceAccounts"],
  ["source.trustDomain", "trustDomains"],
  ["destination.ip", "destinationIps"],
  ["destination.port", "destinationPorts"],
]);

/** Where a rule is, and what is wrong with it. */
export interface RuleContext {
  readonly path: string;
  readonly namespace: string;
  readonly problems: Problem[];
}

/**
 * Reads the L4 meaning of a rule. What can't be read is reported and kept as such, so that every consumer errs to the
 * safe side.
 */
export function readRule(rule: PolicyRule, context: RuleContext): Rule {
  const reader = new RuleReader(context);
  return {
    to: (rule.to ?? []).map(({ operation }, at) => reader.operation(operation, `${context.path}.to[${at}].operation`)),
    from: (rule.from ?? []).map(({ source }, at) => reader.source(source, `${context.path}.from[${at}].source`)),
    when: (rule.when ?? []).map((condition, at) => reader.condition(condition, `${context.path}.when[${at}]`)),
  };
}

class RuleReader {
  readonly #context: RuleContext;

  constructor(context: RuleContext) {
    this.#context = context;
  }

  source(source: PolicySource | undefined, path: string): Term {
    return this.#fields(source ?? {}, SOURCE_FIELDS, path);
  }

  operation(operation: PolicyOperation | undefined, path: string): Term {
    return this.#fields(operation ?? {}, OPERATION_FIELDS, path);
  }

  condition({ key, values, notValues }: PolicyCondition, path: string): Term {
    const attribute = CONDITION_KEYS.get(key);
    if (attribute === undefined) return { path, constraints: [], httpAttributes: [key] };
    const constraints = [
      ...this.#constraint(attribute, false, values, `${path}.values`),
      ...this.#constraint(attribute, true, notValues, `${path}.notValues`),
    ];
    if (constraints.length === 0) this.#report(path, "has no values");
    return { path, constraints, httpAttributes: [] };
  }

  #fields(object: PolicySource | PolicyOperation, known: Readonly<Record<string, Attribute>>, path: string): Term {
    const constraints: Constraint[] = [];
    const httpAttributes: string[] = [];
    for (const [field, values] of Object.entries(object) as [string, Values][]) {
      if (values === undefined || values.length === 0) continue;
      const positive = positiveOf(field);
      const attribute = Object.hasOwn(known, positive) ? known[positive] : undefined;
      if (attribute === undefined) httpAttributes.push(field);
      else constraints.push(...this.#constraint(attribute, positive !== field, values, `${path}.${field}`));
    }
    if (constraints.length === 0 && httpAttributes.length === 0) this.#report(path, "is empty");
    return { path, constraints, httpAttributes };
  }

  #constraint(attribute: Attribute, isNegated: boolean, texts: Values, path: string): Constraint[] {
    if (texts === undefined || texts.length === 0) return [];
    const unreadable: string[] = [];
    const read = <T>(parse: (text: string) => Parsed<T>): T[] =>
      texts.flatMap((text, at) => {
        const result = parse(text);
        if (result.ok) return [result.value];
        unreadable.push(this.#report(`${path}[${at}]`, result.message));
        return [];
      });
    switch (attribute) {
      case "namespaces":
        return [{ attribute, isNegated, unreadable, values: read(parsePattern) }];
      case "principals":
        return [{ attribute, isNegated, unreadable, values: read(parsePrincipal) }];
      case "trustDomains":
        return [{ attribute, isNegated, unreadable, values: read(parseTrustDomain) }];
      case "serviceAccounts": {
        const values = read((text) => parseServiceAccount(text, this.#context.namespace));
        return [{ attribute, isNegated, unreadable, values }];
      }
      case "sourceIps":
      case "destinationIps":
        return [{ attribute, isNegated, unreadable, values: read(parseCidr) }];
      case "destinationPorts":
        return [{ attribute, isNegated, unreadable, values: read(parsePort) }];
    }
  }

  #report(path: string, message: string): string {
    this.#context.problems.push({ path, message });
    return `${path}: ${message}`;
  }
}
