// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import { Action, AuthorizationSchema, Scope, type Authorization } from "@ambientmesh/api/security";
import type { PolicyScope } from "../engine/policy.ts";
import { readAuthorizationPolicy, type PolicyContext } from "../objects/authorization-policy.ts";
import { httpWarning } from "./http-warning.ts";
import { ruleGroups } from "./rule-groups.ts";

/** The condition `ZtunnelAccepted` of a policy's status (Istio 1.31). */
export interface AcceptedCondition {
  readonly type: "ZtunnelAccepted";
  readonly status: "True" | "False";
  readonly reason: "Accepted" | "UnsupportedValue";
  readonly message: string;
}

/** What becomes of a policy on its way to the node proxies. */
export interface TranslatedPolicy {
  /** Absent if node proxies are not to enforce it. */
  readonly authorization?: Authorization;
  /** Absent if the policy is not for node proxies at all (it has a target reference). */
  readonly condition?: AcceptedCondition;
  /** What is enforced differently from how it reads, a sentence each; the condition's message holds them too. */
  readonly warnings: readonly string[];
}

const SCOPES: Readonly<Record<PolicyScope, Scope>> = {
  global: Scope.GLOBAL,
  namespace: Scope.NAMESPACE,
  named: Scope.WORKLOAD_SELECTOR,
};

/** Translates a policy object into what node proxies get (istio.security.Authorization, Istio 1.31). */
export function translateAuthorizationPolicy(policy: AuthorizationPolicy, context: PolicyContext): TranslatedPolicy {
  const read = readAuthorizationPolicy(policy, context);
  if (read.kind === "not-for-node-proxies") return { warnings: [] };
  if (read.kind === "unsupported") {
    return { condition: conditionOf("False", "UnsupportedValue", read.message), warnings: [read.message] };
  }
  const { namespace, name, scope, action, isDryRun, rules, problems } = read;
  const ofHttp = httpWarning(rules, action);
  const warnings = [
    ...(ofHttp === undefined ? [] : [ofHttp]),
    ...problems.map(({ path, message }) => `${path} ${message}; ${TREATED[action]}.`),
  ];
  return {
    authorization: create(AuthorizationSchema, {
      namespace,
      name,
      scope: SCOPES[scope],
      action: action === "deny" ? Action.DENY : Action.ALLOW,
      groups: rules.flatMap((rule) => ruleGroups(rule, action)),
      dryRun: isDryRun,
    }),
    condition:
      warnings.length === 0
        ? conditionOf("True", "Accepted", "attached to ztunnel")
        : conditionOf("True", "UnsupportedValue", warnings.join(" ")),
    warnings,
  };
}

const TREATED = {
  allow: "it allows nothing",
  deny: "it is left out, so the policy denies more than it reads",
} as const;

function conditionOf(
  status: AcceptedCondition["status"],
  reason: AcceptedCondition["reason"],
  message: string,
): AcceptedCondition {
  return { type: "ZtunnelAccepted", status, reason, message };
}
