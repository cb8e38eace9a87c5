// SPDX-License-Identifier: Apache-2.0
import type { PolicySource } from "@ambientmesh/api/istio";
import { parsed, shown, unreadable, type Parsed } from "../problem.ts";
import { parseCidr } from "../values/ip.ts";
import { parsePrincipal } from "../values/pattern.ts";
import { parseServiceAccount } from "../values/service-account.ts";
import { positiveOf } from "../objects/negation.ts";
import type { Findings } from "./findings.ts";

const MAX_SERVICE_ACCOUNTS = 16;
const MAX_SERVICE_ACCOUNT_LENGTH = 320;

export function notEmpty(value: string): Parsed<unknown> {
  return value === "" ? unreadable("is empty") : parsed(value);
}

/** One "*" at the start or at the end, no "/". */
export function checkTrustDomain(value: string): Parsed<unknown> {
  if (value === "" || value.includes("/")) return unreadable(`${shown(value)} is not a trust domain`);
  const inner = value.replace(/^\*|\*$/, "");
  return inner.includes("*") ? unreadable(`${shown(value)} may have one "*", at its start or end`) : parsed(value);
}

function checkServiceAccount(value: string): Parsed<unknown> {
  if (value.length > MAX_SERVICE_ACCOUNT_LENGTH) {
    return unreadable(`has ${value.length} characters, at most ${MAX_SERVICE_ACCOUNT_LENGTH} are allowed`);
  }
  // Any namespace does: only the form is looked at.
  return parseServiceAccount(value, "default");
}

const CHECKS: Readonly<Record<string, (value: string) => Parsed<unknown>>> = {
  principals: parsePrincipal,
  requestPrincipals: notEmpty,
  namespaces: notEmpty,
  serviceAccounts: checkServiceAccount,
  ipBlocks: parseCidr,
  remoteIpBlocks: parseCidr,
  trustDomains: checkTrustDomain,
};

/** Checks one entry of `from`. */
export function checkSource(source: PolicySource | undefined, path: string, findings: Findings): void {
  const fields = Object.entries(source ?? {}) as [string, readonly string[] | undefined][];
  if (fields.every(([, values]) => (values?.length ?? 0) === 0)) findings.error(path, "is empty");
  for (const [field, values] of fields) {
    const positive = positiveOf(field);
    const check = Object.hasOwn(CHECKS, positive) ? CHECKS[positive] : undefined;
    if (check === undefined) findings.error(`${path}.${field}`, "is not a field of sources");
    else findings.each(`${path}.${field}`, values, check);
    if (positive === "serviceAccounts" && values && values.length > MAX_SERVICE_ACCOUNTS) {
      findings.error(`${path}.${field}`, `has ${values.length} values, at most ${MAX_SERVICE_ACCOUNTS} are allowed`);
    }
  }
  checkCombination(source ?? {}, path, findings);
}

function checkCombination(source: PolicySource, path: string, findings: Findings): void {
  const has = (...lists: (readonly string[] | undefined)[]): boolean => lists.some((list) => (list?.length ?? 0) > 0);
  const hasAccounts = has(source.serviceAccounts, source.notServiceAccounts);
  if (hasAccounts && has(source.principals, source.notPrincipals, source.namespaces, source.notNamespaces)) {
    findings.error(path, "serviceAccounts can't be combined with principals or namespaces");
  }
}
