// SPDX-License-Identifier: Apache-2.0
import type { Expression } from "./expression.ts";

/** Why an expression is true or false for certain facts. */
export interface Trace {
  readonly isTrue: boolean;
  readonly text: string;
  readonly parts: readonly Trace[];
}

/** Judges every part, also those that evaluation would skip. `whenUnknown` as in `toTest`. */
export function trace<Facts>(expression: Expression<Facts>, facts: Facts, whenUnknown: boolean): Trace {
  switch (expression.kind) {
    case "test":
      return {
        isTrue: expression.test(facts),
        text: `${expression.describe()} (is ${expression.actual(facts)})`,
        parts: [],
      };
    case "constant":
      return { isTrue: expression.value, text: expression.because, parts: [] };
    case "unknown":
      return { isTrue: whenUnknown, text: `not understood: ${expression.because}`, parts: [] };
    case "not": {
      const part = trace(expression.of, facts, !whenUnknown);
      return { isTrue: !part.isTrue, text: "not", parts: [part] };
    }
    default: {
      const parts = expression.of.map((part) => trace(part, facts, whenUnknown));
      const isAll = expression.kind === "all";
      const isTrue = isAll ? parts.every((part) => part.isTrue) : parts.some((part) => part.isTrue);
      return { isTrue, text: isAll ? "all of" : "any of", parts };
    }
  }
}

/** The trace as lines of text, parts indented below what they belong to. */
export function traceLines(root: Trace, indent = ""): string[] {
  const line = `${indent}${root.isTrue ? "yes" : "no "} ${root.text}`;
  return [line, ...root.parts.flatMap((part) => traceLines(part, `${indent}  `))];
}
