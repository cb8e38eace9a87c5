// SPDX-License-Identifier: Apache-2.0
import { toTest, type Expression, type Test } from "../expression/expression.ts";
import type { ConnectionFacts } from "./connection.ts";

/** Whom a policy is about: everybody, its namespace, or the workloads that name it. */
export type PolicyScope = "global" | "namespace" | "named";

/** A policy before it is compiled; every front end ends here. */
export interface PolicyDefinition<Facts> {
  readonly namespace: string;
  readonly name: string;
  readonly scope: PolicyScope;
  readonly action: "allow" | "deny";
  /** Judged and reported, never enforced. */
  readonly isDryRun: boolean;
  /** When the policy matches. */
  readonly expression: Expression<Facts>;
}

/** A policy ready to be judged; immutable. */
export interface CompiledPolicy<Facts = ConnectionFacts> extends PolicyDefinition<Facts> {
  /** "namespace/name", as on the wire. */
  readonly key: string;
  readonly matches: Test<Facts>;
}

/**
 * Compiles a policy so that what was not understood errs to the safe side: an allow policy matches less, a deny policy
 * matches more.
 */
export function compilePolicy<Facts>(definition: PolicyDefinition<Facts>): CompiledPolicy<Facts> {
  return {
    ...definition,
    key: `${definition.namespace}/${definition.name}`,
    matches: toTest(definition.expression, definition.action === "deny"),
  };
}
