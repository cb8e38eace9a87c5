// SPDX-License-Identifier: Apache-2.0
import type { Rule } from "../rule.ts";

/** How values of a kind are told apart and shown. */
export interface Kind<T> {
  /** Prefix of the rules' names. */
  readonly name: string;
  /** Equal for equal values. */
  key(value: T): unknown;
  show(value: T): string;
}

/** The rules that list values. */
export interface MembershipRules<T> {
  readonly const?: T | undefined;
  readonly in?: readonly T[];
  readonly notIn?: readonly T[];
}

/** Tests for const, in and not_in. Empty lists ask for nothing. */
export function membershipRules<T>(kind: Kind<T>, rules: MembershipRules<T>): Rule<T>[] {
  const tests: Rule<T>[] = [];
  const add = (rule: string, expected: string, fails: (key: unknown) => boolean): void => {
    tests.push({ name: `${kind.name}.${rule}`, expected, fails: (value) => fails(kind.key(value)) });
  };
  const { const: only, in: allowed = [], notIn: refused = [] } = rules;
  const list = (values: readonly T[]): string => values.map((value) => kind.show(value)).join(", ");
  if (only !== undefined) {
    const expected = new Set([kind.key(only)]);
    add("const", `must be ${kind.show(only)}`, (key) => !expected.has(key));
  }
  if (allowed.length > 0) {
    const keys = new Set(allowed.map((value) => kind.key(value)));
    add("in", `must be one of ${list(allowed)}`, (key) => !keys.has(key));
  }
  if (refused.length > 0) {
    const keys = new Set(refused.map((value) => kind.key(value)));
    add("not_in", `must be none of ${list(refused)}`, (key) => keys.has(key));
  }
  return tests;
}
