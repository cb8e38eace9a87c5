// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import { KEYS } from "@ambientmesh/api";
import type { ConnectionFacts } from "../engine/connection.ts";
import type { Problem } from "../problem.ts";
import { readRule } from "./read-rule.ts";
import type { Rule } from "./rule.ts";
import { hasLabels, namespaceOf, scopeOf, type SelectableWorkload } from "./scope.ts";
import { compilePolicy, type CompiledPolicy, type PolicyScope } from "../engine/policy.ts";
import { any, never } from "../expression/expression.ts";
import { ruleExpression } from "./rule-expression.ts";

/** What the reading of a policy depends on. */
export interface PolicyContext {
  readonly rootNamespace: string;
  /** Enforce nothing but report what dry-run policies would do; without it they are not for node proxies at all. */
  readonly allowDryRun: boolean;
}

/** An AuthorizationPolicy as node proxies see it. */
export type ReadPolicy =
  | {
      readonly kind: "read";
      readonly namespace: string;
      readonly name: string;
      readonly scope: PolicyScope;
      readonly action: "allow" | "deny";
      readonly isDryRun: boolean;
      readonly rules: readonly Rule[];
      readonly problems: readonly Problem[];
    }
  /** It has a target reference: a waypoint or gateway enforces it. */
  | { readonly kind: "not-for-node-proxies" }
  /** Node proxies can't do what it asks for. */
  | { readonly kind: "unsupported"; readonly message: string };

/** The texts that Go, and so Istio, reads as true. */
const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);

/** Reads the L4 meaning of a policy (Istio 1.31, ambient mode). */
export function readAuthorizationPolicy(policy: AuthorizationPolicy, context: PolicyContext): ReadPolicy {
  const spec = policy.spec ?? {};
  if (spec.targetRef !== undefined || (spec.targetRefs?.length ?? 0) > 0) return { kind: "not-for-node-proxies" };
  const action = spec.action ?? "ALLOW";
  if (action !== "ALLOW" && action !== "DENY") {
    return {
      kind: "unsupported",
      message: `node proxies don't support the action ${action}; use a waypoint with targetRefs`,
    };
  }
  const isDryRun = TRUE.has(policy.metadata.annotations?.[KEYS.DRY_RUN] ?? "");
  if (isDryRun && !context.allowDryRun) {
    return { kind: "unsupported", message: "dry-run policies for node proxies are not enabled in this mesh" };
  }
  const namespace = namespaceOf(policy);
  const problems: Problem[] = [];
  return {
    kind: "read",
    namespace,
    name: policy.metadata.name,
    scope: scopeOf(namespace, spec.selector, context.rootNamespace),
    action: action === "DENY" ? "deny" : "allow",
    isDryRun,
    rules: (spec.rules ?? []).map((rule, at) => readRule(rule, { path: `spec.rules[${at}]`, namespace, problems })),
    problems,
  };
}

/** A policy object ready to be judged. */
export type CompiledPolicyObject =
  | {
      readonly kind: "compiled";
      readonly policy: CompiledPolicy<ConnectionFacts>;
      readonly problems: readonly Problem[];
    }
  | Exclude<ReadPolicy, { readonly kind: "read" }>;

/**
 * Compiles a policy object directly, as node proxies would enforce what istiod makes of it. For tools and tests that
 * have no control plane at hand.
 */
export function compileAuthorizationPolicy(policy: AuthorizationPolicy, context: PolicyContext): CompiledPolicyObject {
  const read = readAuthorizationPolicy(policy, context);
  if (read.kind !== "read") return read;
  const { rules, problems, ...definition } = read;
  const expressions = rules.map((rule) => ruleExpression(rule, read.action));
  const expression = expressions.length === 0 ? never<ConnectionFacts>("has no rules") : any(expressions);
  return { kind: "compiled", policy: compilePolicy({ ...definition, expression }), problems };
}

/**
 * True if a policy with a selector selects the workload: in its own namespace, or everywhere if it is in the root
 * namespace. Such a policy reaches the workload by name.
 */
export function selectsWorkload(
  policy: AuthorizationPolicy,
  workload: SelectableWorkload,
  rootNamespace: string,
): boolean {
  const selector = policy.spec?.selector;
  const namespace = namespaceOf(policy);
  if (selector === undefined || (namespace !== rootNamespace && namespace !== workload.namespace)) return false;
  return hasLabels(selector, workload.labels);
}
