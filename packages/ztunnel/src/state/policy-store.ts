// SPDX-License-Identifier: Apache-2.0
import type { Workload } from "./model.ts";

/** What the index needs to know of a policy. */
export interface IndexedPolicy {
  readonly name: string;
  readonly namespace: string;
  readonly scope: "Global" | "Namespace" | "WorkloadSelector";
}

/** Policies by resource name (`namespace/name`) and by what they apply to. */
export class PolicyStore<Policy extends IndexedPolicy = IndexedPolicy> {
  readonly #byName = new Map<string, Policy>();
  readonly #global = new Map<string, Policy>();
  readonly #byNamespace = new Map<string, Map<string, Policy>>();

  get size(): number {
    return this.#byName.size;
  }

  all(): Iterable<Policy> {
    return this.#byName.values();
  }

  byName(name: string): Policy | undefined {
    return this.#byName.get(name);
  }

  /** Removes, then adds or replaces, by resource name. */
  apply(updated: Iterable<readonly [name: string, policy: Policy]>, removed: Iterable<string>): void {
    for (const name of removed) this.#delete(name);
    for (const [name, policy] of updated) {
      this.#delete(name);
      this.#byName.set(name, policy);
      this.#indexOf(policy)?.set(name, policy);
    }
  }

  /**
   * The policies that apply to a workload: the global ones, those of its namespace, and those that select it by name.
   * Names that are not known (yet) are passed over, as in ztunnel.
   */
  *of(workload: Pick<Workload, "namespace" | "authorizationPolicies">): Iterable<Policy> {
    yield* this.#global.values();
    yield* this.#byNamespace.get(workload.namespace)?.values() ?? [];
    for (const name of workload.authorizationPolicies) {
      const policy = this.#byName.get(name);
      if (policy && !this.#appliesAnyway(policy, workload.namespace)) yield policy;
    }
  }

  #appliesAnyway({ scope, namespace }: Policy, workloadNamespace: string): boolean {
    return scope === "Global" || (scope === "Namespace" && namespace === workloadNamespace);
  }

  #indexOf({ scope, namespace }: Policy): Map<string, Policy> | undefined {
    if (scope === "Global") return this.#global;
    if (scope === "WorkloadSelector") return undefined;
    const index = this.#byNamespace.get(namespace) ?? new Map<string, Policy>();
    this.#byNamespace.set(namespace, index);
    return index;
  }

  #delete(name: string): void {
    const policy = this.#byName.get(name);
    if (!policy) return;
    this.#byName.delete(name);
    this.#global.delete(name);
    const index = this.#byNamespace.get(policy.namespace);
    index?.delete(name);
    if (index?.size === 0) this.#byNamespace.delete(policy.namespace);
  }
}
