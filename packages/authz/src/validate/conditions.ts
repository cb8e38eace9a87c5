// SPDX-License-Identifier: Apache-2.0
import type { PolicyCondition } from "@ambientmesh/api/istio";
import { shown, unreadable, parsed, type Parsed } from "../problem.ts";
import { parseCidr } from "../values/ip.ts";
import { parsePort } from "../values/port.ts";
import type { Findings } from "./findings.ts";
import { checkTrustDomain, notEmpty } from "./source.ts";

const PLAIN_KEYS: ReadonlyMap<string, (value: string) => Parsed<unknown>> = new Map([
  ["source.ip", parseCidr],
  ["remote.ip", parseCidr],
  ["source.namespace", notEmpty],
  ["source.principal", notEmpty],
  ["source.serviceAccount", notEmpty],
  ["source.trustDomain", checkTrustDomain],
  ["request.auth.principal", notEmpty],
  ["request.auth.audiences", notEmpty],
  ["request.auth.presenter", notEmpty],
  ["destination.ip", parseCidr],
  ["destination.port", parsePort],
  ["connection.sni", notEmpty],
]);
/** Keys with names in brackets, after the part before them. */
const BRACKET_KEYS = ["request.headers", "request.auth.claims"] as const;
const FILTER_PREFIX = "experimental.envoy.filters.";

/** Checks one entry of `when`. */
export function checkCondition(condition: PolicyCondition, path: string, findings: Findings): void {
  const { key, values = [], notValues = [] } = condition;
  const parse = parserOf(key);
  if (parse === undefined) findings.error(`${path}.key`, `${shown(key)} is not a key of conditions`);
  if (values.length === 0 && notValues.length === 0) findings.error(path, "needs values or notValues");
  findings.each(`${path}.values`, values, parse ?? parsed);
  findings.each(`${path}.notValues`, notValues, parse ?? parsed);
}

/** True for keys about the sender, which external authorization (CUSTOM) can't use. */
export function isSourceKey(key: string): boolean {
  return key.startsWith("source.") || key.startsWith("request.auth.");
}

function parserOf(key: string): ((value: string) => Parsed<unknown>) | undefined {
  const plain = PLAIN_KEYS.get(key);
  if (plain) return plain;
  if (key.startsWith(FILTER_PREFIX) && key.length > FILTER_PREFIX.length) return notEmpty;
  const bracket = BRACKET_KEYS.find((start) => key.startsWith(`${start}[`));
  if (bracket === undefined) return undefined;
  const names = key.slice(bracket.length);
  const isNested = bracket === "request.auth.claims";
  const isRight = (isNested ? /^(\[[^[\]]+\])+$/ : /^\[[^[\]]+\]$/).test(names);
  return isRight ? notEmpty : () => unreadable(`belongs to ${shown(key)}, which does not name what it asks for`);
}
