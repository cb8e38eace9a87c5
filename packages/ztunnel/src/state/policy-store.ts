// SPDX-License-Identifier: Apache-2.0
import type { Authorization } from "@ambientmesh/api/security";
import { PolicySet, type CompiledPolicy, type ConnectionFacts, type Verdict } from "@ambientmesh/authz";
import type { Workload } from "./model.ts";

/** A policy ready to be judged, and what the control plane sent, for dumps. */
export interface PolicyResource {
  readonly policy: CompiledPolicy;
  readonly source: Authorization;
}

/** The policies of the mesh by name (`namespace/name`). */
export class PolicyStore {
  readonly #set = new PolicySet();
  readonly #sources = new Map<string, Authorization>();

  get size(): number {
    return this.#set.size;
  }

  has(name: string): boolean {
    return this.#sources.has(name);
  }

  /** What the control plane sent. */
  all(): Iterable<Authorization> {
    return this.#sources.values();
  }

  /** Removes by name, then adds or replaces. */
  apply(updated: Iterable<PolicyResource>, removed: Iterable<string>): void {
    for (const name of removed) {
      this.#set.delete(name);
      this.#sources.delete(name);
    }
    for (const { policy, source } of updated) {
      this.#set.set(policy);
      this.#sources.set(policy.key, source);
    }
  }

  /** Whether the policies of a workload allow a connection to it, and by which rule. */
  judge(workload: Workload, facts: ConnectionFacts): Verdict {
    return this.#set.evaluate({ namespace: workload.namespace, policyNames: workload.authorizationPolicies }, facts);
  }

  /** Policies that the workload names and nobody knows. */
  missing(workload: Workload): readonly string[] {
    return this.#set.missing({ namespace: workload.namespace, policyNames: workload.authorizationPolicies });
  }
}
