// SPDX-License-Identifier: Apache-2.0
import { type Rule, UnsupportedRule, given } from "../rule.ts";
import { type Kind, membershipRules } from "./membership.ts";

/** A kind whose keys have an order. */
export interface OrderedKind<T> extends Kind<T> {
  key(value: T): number | bigint;
}

/** The rules of numbers, durations and timestamps, as their proto2 messages hold them. */
export interface OrderedRules<T> {
  readonly const?: T | undefined;
  readonly lt?: T | undefined;
  readonly lte?: T | undefined;
  readonly gt?: T | undefined;
  readonly gte?: T | undefined;
  readonly in?: readonly T[];
  readonly notIn?: readonly T[];
}

interface Bound {
  readonly rule: string;
  readonly limit: number | bigint;
  readonly words: string;
  readonly holds: (key: number | bigint) => boolean;
}

/** Tests for const, lt, lte, gt, gte, in and not_in. NaN has no order and fails every bound. */
export function orderedRules<T>(kind: OrderedKind<T>, rules: OrderedRules<T>): Rule<T>[] {
  const { in: allowed = [], notIn = [] } = rules;
  return [...rangeRules(kind, rules), ...membershipRules(kind, { const: given(rules, "const"), in: allowed, notIn })];
}

/** With the upper limit above the lower one values lie between them, with the upper below the lower outside of them. */
function rangeRules<T>(kind: OrderedKind<T>, rules: OrderedRules<T>): Rule<T>[] {
  const [upper, lower] = [upperBound(kind, rules), lowerBound(kind, rules)];
  const test = (rule: string, words: string, holds: Bound["holds"]): Rule<T> => ({
    name: `${kind.name}.${rule}`,
    expected: `must be ${words}`,
    fails: (value) => !holds(kind.key(value)),
  });
  if (upper && lower && upper.limit <= lower.limit) {
    if (upper.limit === lower.limit) {
      throw new UnsupportedRule(`${kind.name}.${upper.rule}`, `has the limit of ${lower.rule}`);
    }
    const holds = (key: number | bigint): boolean => upper.holds(key) || lower.holds(key);
    return [test(`${upper.rule}_or_${lower.rule}`, `${upper.words} or ${lower.words}`, holds)];
  }
  return [lower, upper].filter((side) => side !== undefined).map(({ rule, words, holds }) => test(rule, words, holds));
}

function upperBound<T>(kind: OrderedKind<T>, rules: OrderedRules<T>): Bound | undefined {
  const [lt, lte] = [given(rules, "lt"), given(rules, "lte")];
  if (lt !== undefined && lte !== undefined) throw new UnsupportedRule(`${kind.name}.lt`, "can't stand beside lte");
  const value = lt ?? lte;
  if (value === undefined) return undefined;
  const limit = kind.key(value);
  return lt === undefined
    ? { rule: "lte", limit, words: `at most ${kind.show(value)}`, holds: (key) => key <= limit }
    : { rule: "lt", limit, words: `less than ${kind.show(value)}`, holds: (key) => key < limit };
}

function lowerBound<T>(kind: OrderedKind<T>, rules: OrderedRules<T>): Bound | undefined {
  const [gt, gte] = [given(rules, "gt"), given(rules, "gte")];
  if (gt !== undefined && gte !== undefined) throw new UnsupportedRule(`${kind.name}.gt`, "can't stand beside gte");
  const value = gt ?? gte;
  if (value === undefined) return undefined;
  const limit = kind.key(value);
  return gt === undefined
    ? { rule: "gte", limit, words: `at least ${kind.show(value)}`, holds: (key) => key >= limit }
    : { rule: "gt", limit, words: `greater than ${kind.show(value)}`, holds: (key) => key > limit };
}
