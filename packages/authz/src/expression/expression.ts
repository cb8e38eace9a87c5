// SPDX-License-Identifier: Apache-2.0

/** A question about a connection or a request. */
export type Test<Facts> = (facts: Facts) => boolean;

/** One comparison of an attribute with a list of values. */
export interface Leaf<Facts> {
  readonly kind: "test";
  readonly test: Test<Facts>;
  /** What is asked: `source principal is one of a/ns/b/sa/c`. */
  readonly describe: () => string;
  /** What the facts say: `a/ns/b/sa/d`. */
  readonly actual: (facts: Facts) => string;
  /** If given: the test is true only for facts that have one of these keys. */
  readonly keys?: readonly string[];
}

/**
 * The one form that all kinds of policies are compiled to. `Facts` are what it may ask for: connections have
 * `ConnectionFacts`, requests will have more.
 */
export type Expression<Facts> =
  | Leaf<Facts>
  | { readonly kind: "all" | "any"; readonly of: readonly Expression<Facts>[] }
  | { readonly kind: "not"; readonly of: Expression<Facts> }
  | { readonly kind: "constant"; readonly value: boolean; readonly because: string }
  /** An entry that was not understood; whether it counts as true is decided by what is safe. */
  | { readonly kind: "unknown"; readonly because: string };

/** True if every part is; true without parts. */
export function all<Facts>(of: readonly Expression<Facts>[]): Expression<Facts> {
  return of.length === 1 ? (of[0] as Expression<Facts>) : { kind: "all", of };
}

/** True if one part is; false without parts. */
export function any<Facts>(of: readonly Expression<Facts>[]): Expression<Facts> {
  return of.length === 1 ? (of[0] as Expression<Facts>) : { kind: "any", of };
}

/** True if the part is not. */
export function not<Facts>(of: Expression<Facts>): Expression<Facts> {
  return { kind: "not", of };
}

/** True, for the reason given. */
export function always<Facts>(because: string): Expression<Facts> {
  return { kind: "constant", value: true, because };
}

/** False, for the reason given. */
export function never<Facts>(because: string): Expression<Facts> {
  return { kind: "constant", value: false, because };
}

/** An entry that could not be read, with the reason. */
export function unknown<Facts>(because: string): Expression<Facts> {
  return { kind: "unknown", because };
}

/**
 * The expression as one closure. What is unknown counts as `whenUnknown`, below a negation as its opposite, so that
 * the whole errs to that side and never to the other.
 */
export function toTest<Facts>(expression: Expression<Facts>, whenUnknown: boolean): Test<Facts> {
  switch (expression.kind) {
    case "test":
      return expression.test;
    case "constant":
      return expression.value ? () => true : () => false;
    case "unknown":
      return whenUnknown ? () => true : () => false;
    case "not": {
      const inner = toTest(expression.of, !whenUnknown);
      return (facts) => !inner(facts);
    }
    case "all":
      return chain(
        expression.of.map((part) => toTest(part, whenUnknown)),
        both,
        () => true,
      );
    case "any":
      return chain(
        expression.of.map((part) => toTest(part, whenUnknown)),
        either,
        () => false,
      );
  }
}

/**
 * Closures over two tests cost less than a loop over a list, and a policy is mostly a handful of tests. They nest, so
 * long lists are halved.
 */
function chain<Facts>(
  tests: readonly Test<Facts>[],
  join: (first: Test<Facts>, second: Test<Facts>) => Test<Facts>,
  ofNone: Test<Facts>,
): Test<Facts> {
  const [first = ofNone] = tests;
  if (tests.length < 2) return first;
  const middle = tests.length >> 1;
  return join(chain(tests.slice(0, middle), join, ofNone), chain(tests.slice(middle), join, ofNone));
}

function both<Facts>(first: Test<Facts>, second: Test<Facts>): Test<Facts> {
  return (facts) => first(facts) && second(facts);
}

function either<Facts>(first: Test<Facts>, second: Test<Facts>): Test<Facts> {
  return (facts) => first(facts) || second(facts);
}
