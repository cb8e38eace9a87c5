// SPDX-License-Identifier: Apache-2.0
import { neededKeys, type KeyedFacts } from "../expression/keys.ts";
import type { CompiledPolicy } from "./policy.ts";

/** Policies of one kind, found by what they need of the client, so that most are never asked. */
export class PolicyIndex<Facts extends KeyedFacts> {
  readonly all: readonly CompiledPolicy<Facts>[];
  readonly #unkeyed: CompiledPolicy<Facts>[] = [];
  readonly #byKey = new Map<string, CompiledPolicy<Facts>[]>();

  constructor(policies: readonly CompiledPolicy<Facts>[]) {
    this.all = policies;
    for (const policy of policies) {
      const keys = neededKeys(policy.expression, policy.action === "deny");
      if (keys === undefined) this.#unkeyed.push(policy);
      for (const key of keys ?? []) this.#listOf(key).push(policy);
    }
  }

  /** A policy that matches; which one, if several do, is not specified. */
  firstMatch(facts: Facts): CompiledPolicy<Facts> | undefined {
    for (const policy of this.#unkeyed) if (policy.matches(facts)) return policy;
    for (const key of facts.keys) {
      for (const policy of this.#byKey.get(key) ?? NONE) if (policy.matches(facts)) return policy;
    }
    return undefined;
  }

  /** All policies that match. */
  matches(facts: Facts): readonly CompiledPolicy<Facts>[] {
    return this.all.filter((policy) => policy.matches(facts));
  }

  #listOf(key: string): CompiledPolicy<Facts>[] {
    const known = this.#byKey.get(key);
    if (known) return known;
    const list: CompiledPolicy<Facts>[] = [];
    this.#byKey.set(key, list);
    return list;
  }
}

const NONE: readonly never[] = [];
