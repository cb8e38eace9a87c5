// SPDX-License-Identifier: Apache-2.0
import type { Rule } from "../rule.ts";
import { count } from "../show.ts";

/** Limits of a length, and how the rules are called. */
export interface LengthRules {
  readonly exactly?: readonly [rule: string, limit: bigint | undefined];
  readonly atLeast: readonly [rule: string, limit: bigint | undefined];
  readonly atMost: readonly [rule: string, limit: bigint | undefined];
}

/** A length in a unit. */
export interface Length<T> {
  /** Singular: "byte". */
  readonly unit: string;
  /** The length; may stop counting as soon as it is above `enough`. */
  readonly measure: (value: T, enough: number) => number;
}

/** Tests for len, min and max. */
export function lengthRules<T>({ unit, measure }: Length<T>, rules: LengthRules): Rule<T>[] {
  const tests: Rule<T>[] = [];
  const add = (
    [name, limit]: readonly [string, bigint | undefined],
    words: string,
    fails: (length: number, limit: number) => boolean,
  ): void => {
    if (limit === undefined) return;
    const bound = Number(limit);
    tests.push({
      name,
      expected: `must have ${words}${count(bound, unit)}`,
      fails: (value) => fails(measure(value, bound), bound),
    });
  };
  if (rules.exactly) add(rules.exactly, "exactly ", (length, limit) => length !== limit);
  add(rules.atLeast, "at least ", (length, limit) => length < limit);
  add(rules.atMost, "at most ", (length, limit) => length > limit);
  return tests;
}
