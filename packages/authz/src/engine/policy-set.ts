// SPDX-License-Identifier: Apache-2.0
import { trace, type Trace } from "../expression/explain.ts";
import type { KeyedFacts } from "../expression/keys.ts";
import type { ConnectionFacts } from "./connection.ts";
import type { CompiledPolicy, PolicyScope } from "./policy.ts";
import { PolicyIndex } from "./policy-index.ts";
import type { Decision, DryRunMatch, Verdict } from "./verdict.ts";

/** The workload that is asked for, as far as policies care. */
export interface PolicyTarget {
  readonly namespace: string;
  /** Keys of the policies that select it ("namespace/name"). */
  readonly policyNames: readonly string[];
}

/** Why one policy did or did not match. */
export interface PolicyExplanation {
  readonly policy: string;
  readonly action: "allow" | "deny";
  readonly scope: PolicyScope;
  readonly isDryRun: boolean;
  readonly trace: Trace;
}

/** A verdict with the part every policy had in it. */
export interface Explanation {
  readonly verdict: Verdict;
  readonly policies: readonly PolicyExplanation[];
  /** Policies the workload names and nobody knows; they have no effect. */
  readonly missing: readonly string[];
}

/** Policies that apply together, by what they do. */
interface Bucket<Facts extends KeyedFacts> {
  readonly deny: PolicyIndex<Facts>;
  readonly allow: PolicyIndex<Facts>;
  readonly dryDeny: PolicyIndex<Facts>;
  readonly dryAllow: PolicyIndex<Facts>;
}

const ALLOWED: Decision = { allowed: true, reason: { kind: "no-allow-policies" } };
const NOT_ALLOWED: Decision = { allowed: false, reason: { kind: "not-allowed" } };
const NO_MATCHES: readonly DryRunMatch[] = [];

/**
 * All policies a proxy knows, found by scope, and the order in which they are judged: a deny that matches refuses;
 * without any allow policy everything else is allowed; with some, one of them has to match.
 */
export class PolicySet<Facts extends KeyedFacts = ConnectionFacts> {
  readonly #policies = new Map<string, CompiledPolicy<Facts>>();
  /** Keys of the policies of a scope: namespace scope by namespace, global under undefined. */
  readonly #keys = new Map<string | undefined, Set<string>>();
  readonly #buckets = new Map<string | undefined, Bucket<Facts>>();

  get size(): number {
    return this.#policies.size;
  }

  get(key: string): CompiledPolicy<Facts> | undefined {
    return this.#policies.get(key);
  }

  values(): IterableIterator<CompiledPolicy<Facts>> {
    return this.#policies.values();
  }

  /** Adds a policy or replaces the one of the same key. */
  set(policy: CompiledPolicy<Facts>): void {
    this.delete(policy.key);
    this.#policies.set(policy.key, policy);
    if (policy.scope === "named") return;
    const index = indexOf(policy);
    const keys = this.#keys.get(index);
    if (keys) keys.add(policy.key);
    else this.#keys.set(index, new Set([policy.key]));
    this.#buckets.delete(index);
  }

  /** False if there is no such policy. */
  delete(key: string): boolean {
    const policy = this.#policies.get(key);
    if (!policy) return false;
    this.#policies.delete(key);
    const index = indexOf(policy);
    const keys = this.#keys.get(index);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(index);
    this.#buckets.delete(index);
    return true;
  }

  /** The keys a workload names that are not in the set; worth a warning, as those policies do nothing. */
  missing(target: PolicyTarget): readonly string[] {
    return target.policyNames.filter((key) => !this.#policies.has(key));
  }

  evaluate(target: PolicyTarget, facts: Facts): Verdict {
    const buckets = this.#bucketsFor(target);
    const decision = decide(buckets, facts, false);
    if (!buckets.some(hasDryRun)) return { ...decision, dryRun: NO_MATCHES };
    const dryRun = [
      ...buckets.flatMap((bucket) => bucket.dryDeny.matches(facts)),
      ...buckets.flatMap((bucket) => bucket.dryAllow.matches(facts)),
    ];
    return {
      ...decision,
      dryRun: dryRun.map(({ key, action }) => ({ policy: key, action })),
      ifEnforced: decide(buckets, facts, true),
    };
  }

  /** The verdict and why every policy of the workload did or did not match; for people and tests, not for hot paths. */
  explain(target: PolicyTarget, facts: Facts): Explanation {
    const policies = this.#bucketsFor(target).flatMap(({ deny, allow, dryDeny, dryAllow }) =>
      [dryDeny, deny, dryAllow, allow]
        .flatMap(({ all }) => all)
        .map((policy) => ({
          policy: policy.key,
          action: policy.action,
          scope: policy.scope,
          isDryRun: policy.isDryRun,
          trace: trace(policy.expression, facts, policy.action === "deny"),
        })),
    );
    return { verdict: this.evaluate(target, facts), policies, missing: this.missing(target) };
  }

  #bucketsFor(target: PolicyTarget): Bucket<Facts>[] {
    const buckets: Bucket<Facts>[] = [];
    for (const index of [target.namespace, undefined]) {
      const bucket = this.#bucket(index);
      if (bucket) buckets.push(bucket);
    }
    const named = this.#named(target);
    if (named.length > 0) buckets.push(toBucket(named));
    return buckets;
  }

  #bucket(index: string | undefined): Bucket<Facts> | undefined {
    const keys = this.#keys.get(index);
    if (!keys) return undefined;
    const known = this.#buckets.get(index);
    if (known) return known;
    const bucket = toBucket([...keys].sort().flatMap((key) => this.#policies.get(key) ?? []));
    this.#buckets.set(index, bucket);
    return bucket;
  }

  /** What the workload names, each once, without what applies to it anyway. */
  #named(target: PolicyTarget): CompiledPolicy<Facts>[] {
    return [...new Set(target.policyNames)].flatMap((key) => {
      const policy = this.#policies.get(key);
      if (!policy || policy.scope === "global") return [];
      return policy.scope === "namespace" && policy.namespace === target.namespace ? [] : [policy];
    });
  }
}

function indexOf(policy: CompiledPolicy<never>): string | undefined {
  return policy.scope === "global" ? undefined : policy.namespace;
}

function toBucket<Facts extends KeyedFacts>(policies: readonly CompiledPolicy<Facts>[]): Bucket<Facts> {
  const pick = (action: "allow" | "deny", isDryRun: boolean): PolicyIndex<Facts> =>
    new PolicyIndex(policies.filter((policy) => policy.action === action && policy.isDryRun === isDryRun));
  return {
    deny: pick("deny", false),
    allow: pick("allow", false),
    dryDeny: pick("deny", true),
    dryAllow: pick("allow", true),
  };
}

function hasDryRun({ dryDeny, dryAllow }: Bucket<never>): boolean {
  return dryDeny.all.length > 0 || dryAllow.all.length > 0;
}

function decide<Facts extends KeyedFacts>(
  buckets: readonly Bucket<Facts>[],
  facts: Facts,
  withDryRun: boolean,
): Decision {
  let hasAllow = false;
  for (const { deny, dryDeny, allow, dryAllow } of buckets) {
    const denied = deny.firstMatch(facts) ?? (withDryRun ? dryDeny.firstMatch(facts) : undefined);
    if (denied) return { allowed: false, reason: { kind: "denied", policy: denied.key } };
    hasAllow ||= allow.all.length > 0 || (withDryRun && dryAllow.all.length > 0);
  }
  if (!hasAllow) return ALLOWED;
  for (const { allow, dryAllow } of buckets) {
    const allowing = allow.firstMatch(facts) ?? (withDryRun ? dryAllow.firstMatch(facts) : undefined);
    if (allowing) return { allowed: true, reason: { kind: "allowed", policy: allowing.key } };
  }
  return NOT_ALLOWED;
}
