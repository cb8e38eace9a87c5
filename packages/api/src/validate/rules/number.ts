// SPDX-License-Identifier: Apache-2.0
import type { ValueTests } from "../rule.ts";
import { type OrderedKind, type OrderedRules, orderedRules } from "./ordered.ts";

/** A number as protobuf-es holds it; 64-bit ones are strings under `jstype = JS_STRING`. */
type Numeric = number | bigint | string;

/** What FloatRules, Int64Rules and the ten others have in common. */
export interface NumberRules extends OrderedRules<number | bigint> {
  readonly ignoreEmpty: boolean;
}

/** Tests of the twelve numeric kinds. Floats are compared as the 32 bits that travel. */
export function numberTests(kind: string, rules: NumberRules): ValueTests {
  const numbers: OrderedKind<Numeric> = { name: kind, key: keyOf(kind), show: String };
  return {
    rules: orderedRules<Numeric>(numbers, rules),
    ...(rules.ignoreEmpty && { ignores: (value: Numeric) => Number(value) === 0 }),
  };
}

/** What equal numbers of a kind have in common, also for `unique`. */
export function keyOf(kind: string): (value: Numeric) => number | bigint {
  if (kind === "float") return (value) => Math.fround(Number(value));
  return (value) => (typeof value === "string" ? BigInt(value) : value);
}
