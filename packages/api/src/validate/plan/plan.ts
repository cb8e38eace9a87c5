// SPDX-License-Identifier: Apache-2.0
import type { DescMessage } from "@bufbuild/protobuf";
import type { Place, Run, Step } from "../run.ts";

/** A message as its fields. Rules are compiled from the descriptors that its class was made from. */
export type Fields = Readonly<Record<string, unknown>>;

/** Looks at one field or oneof of a message. */
export type Check = (message: Fields, run: Run) => void;

/** Looks at one value: a singular field's, an element's, a map entry's. */
export type ValueCheck = (value: unknown, run: Run, step: Step, place: Place) => void;

/** All checks of a message type. */
export interface Plan {
  checks: readonly Check[];
  /** False while the type is being compiled, which its own fields may meet when it is recursive. */
  isComplete: boolean;
}

/** Makes the plans of message types. */
export interface Planner {
  /** @throws UnsupportedRule */
  planOf(descriptor: DescMessage): Plan;
  /** The type of a message in an Any; undefined if it is not known. */
  lookUp(typeName: string): DescMessage | undefined;
  /** Whether messages in an Any are looked at. */
  readonly hasRegistry: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Runs all checks of a message. */
export function applyPlan(plan: Plan, message: Fields, run: Run): void {
  for (const check of plan.checks) {
    if (run.isFull) return;
    check(message, run);
  }
}
