// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy, PolicyAction, PolicyRule, PolicySource } from "@ambientmesh/api/istio";
import { readAuthorizationPolicy } from "../objects/authorization-policy.ts";
import { positiveOf } from "../objects/negation.ts";
import { readRule } from "../objects/read-rule.ts";
import { namespaceOf } from "../objects/scope.ts";
import { shown } from "../problem.ts";
import { httpWarning } from "../translate/http-warning.ts";
import { checkAttachment } from "./attachment.ts";
import { checkCondition, isSourceKey } from "./conditions.ts";
import { Findings, type Finding } from "./findings.ts";
import { checkOperation } from "./operation.ts";
import { checkSource } from "./source.ts";

const ACTIONS: readonly PolicyAction[] = ["ALLOW", "DENY", "AUDIT", "CUSTOM"];
/** Fields of a source that external authorization (CUSTOM) can't use, with their negations. */
const NOT_FOR_CUSTOM = new Set(["namespaces", "serviceAccounts", "principals", "requestPrincipals", "trustDomains"]);

/** Checks an AuthorizationPolicy as Istio's webhook does (Istio 1.31). */
export function validateAuthorizationPolicy(policy: AuthorizationPolicy): readonly Finding[] {
  const findings = new Findings();
  const { spec = {} } = policy;
  const { action = "ALLOW", rules, provider } = spec;
  checkAttachment(spec, findings);
  if (!ACTIONS.includes(action)) findings.error("spec.action", `${shown(action)} is none of ${ACTIONS.join(", ")}`);
  if (rules === undefined && (action === "DENY" || action === "CUSTOM")) {
    findings.error("spec.rules", `is missing: a ${action} policy without rules has no effect`);
  }
  if (action === "CUSTOM" && (provider?.name ?? "") === "") {
    findings.error("spec.provider.name", "is missing: a CUSTOM policy needs the name of a provider");
  }
  if (action !== "CUSTOM" && provider !== undefined) {
    findings.error("spec.provider", "is for policies with the action CUSTOM only");
  }
  for (const [at, rule] of (rules ?? []).entries()) {
    const path = `spec.rules[${at}]`;
    checkRule(rule, path, findings);
    if (action === "CUSTOM") checkCustomRule(rule, path, findings);
  }
  warnOfHttpAttributes(policy, findings);
  return findings.list;
}

function checkRule(rule: PolicyRule, path: string, findings: Findings): void {
  if (rule.from?.length === 0) findings.error(`${path}.from`, "is empty; leave it out to match every source");
  if (rule.to?.length === 0) findings.error(`${path}.to`, "is empty; leave it out to match every operation");
  for (const [at, { source }] of (rule.from ?? []).entries())
    checkSource(source, `${path}.from[${at}].source`, findings);
  for (const [at, { operation }] of (rule.to ?? []).entries()) {
    checkOperation(operation, `${path}.to[${at}].operation`, findings);
  }
  for (const [at, condition] of (rule.when ?? []).entries()) checkCondition(condition, `${path}.when[${at}]`, findings);
}

function checkCustomRule(rule: PolicyRule, path: string, findings: Findings): void {
  for (const [at, { source = {} }] of (rule.from ?? []).entries()) {
    for (const field of fieldsNotForCustom(source)) {
      findings.error(`${path}.from[${at}].source.${field}`, "can't be used with the action CUSTOM");
    }
  }
  for (const [at, { key }] of (rule.when ?? []).entries()) {
    if (isSourceKey(key))
      findings.error(`${path}.when[${at}].key`, `${shown(key)} can't be used with the action CUSTOM`);
  }
}

function fieldsNotForCustom(source: PolicySource): string[] {
  const fields = Object.entries(source) as [string, readonly string[] | undefined][];
  return fields.flatMap(([field, values]) =>
    (values?.length ?? 0) > 0 && NOT_FOR_CUSTOM.has(positiveOf(field)) ? [field] : [],
  );
}

/** What the enforcer of this policy will make of its HTTP attributes. */
function warnOfHttpAttributes(policy: AuthorizationPolicy, findings: Findings): void {
  const read = readAuthorizationPolicy(policy, { rootNamespace: "", allowDryRun: true });
  if (read.kind === "read") {
    const warning = httpWarning(read.rules, read.action);
    if (warning !== undefined) findings.warning("spec.rules", warning);
  }
  if (read.kind !== "not-for-node-proxies" || policy.spec?.action !== "DENY") return;
  for (const [at, rule] of (policy.spec.rules ?? []).entries()) {
    const path = `spec.rules[${at}]`;
    const { to, from, when } = readRule(rule, { path, namespace: namespaceOf(policy), problems: [] });
    const terms = [...to, ...from, ...when];
    if (terms.length > 0 && terms.every((term) => term.constraints.length === 0 && term.httpAttributes.length > 0)) {
      findings.warning(path, "denies by HTTP attributes only: connections that are not HTTP are all denied");
    }
  }
}
