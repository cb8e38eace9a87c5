// SPDX-License-Identifier: Apache-2.0
import type { CharacterTest } from "./character-test.ts";
import { type Assertion, type Node, PatternError } from "./syntax.ts";

/** One state of the automaton that a regular expression becomes. Numbers are places in {@link Program.states}. */
export type State =
  | { readonly kind: "character"; readonly accepts: CharacterTest; readonly next: number }
  | { readonly kind: "assertion"; readonly assertion: Assertion; readonly next: number }
  | { readonly kind: "split"; readonly next: readonly number[] }
  | { readonly kind: "match" };

/** A nondeterministic automaton (Thompson, 1968). */
export interface Program {
  readonly states: readonly State[];
  readonly start: number;
}

// Bounds the work per character. RE2 has a bound too, on memory.
const MAX_STATES = 4000;

/** @throws PatternError when repetitions multiply beyond what is reasonable */
export function compileProgram(node: Node): Program {
  const states: State[] = [{ kind: "match" }];
  let steps = 0;

  const add = (state: State): number => states.push(state) - 1;

  /** The state from which `node` and then the state `next` is matched. */
  function place(part: Node, next: number): number {
    if (++steps > MAX_STATES) throw new PatternError(`it needs more than ${MAX_STATES} states`);
    switch (part.kind) {
      case "character":
        return add({ kind: "character", accepts: part.accepts, next });
      case "assertion":
        return add({ kind: "assertion", assertion: part.assertion, next });
      case "sequence":
        return part.parts.reduceRight((after, each) => place(each, after), next);
      case "choice":
        return add({ kind: "split", next: part.parts.map((each) => place(each, next)) });
      case "repetition":
        return placeRepetition(part, next);
    }
  }

  function placeRepetition({ part, least, most }: Node & { kind: "repetition" }, next: number): number {
    let after = next;
    if (most === Number.POSITIVE_INFINITY) {
      after = add({ kind: "split", next: [] });
      states[after] = { kind: "split", next: [place(part, after), next] };
    }
    for (let optional = least; optional < most && Number.isFinite(most); optional++) {
      after = add({ kind: "split", next: [place(part, after), next] });
    }
    for (let required = 0; required < least; required++) after = place(part, after);
    return after;
  }

  return { start: place(node, 0), states };
}
