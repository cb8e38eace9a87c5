// SPDX-License-Identifier: Apache-2.0
import { UnsupportedRule } from "../rule.ts";
import { characterTest, perlSet } from "./character-test.ts";
import { parsePattern } from "./parser.ts";
import { type Program, type State, compileProgram } from "./program.ts";
import { type Assertion, PatternError } from "./syntax.ts";

/** No character: before the first and after the last one. */
const NONE = -1;
const LINE_FEED = 0x0a;
/** RE2's words are ASCII. */
const isWordCharacter = characterTest(perlSet("w"), false);

/**
 * Compiles a regular expression in RE2's syntax to a test whether it matches somewhere in a text.
 *
 * The test takes time linear in the text, whatever the pattern: it follows all states of an automaton at once, where
 * JavaScript's own engine tries them one after another, which a hostile text makes exponential.
 *
 * @param rule - for the error
 * @throws UnsupportedRule if RE2 does not know the pattern either
 */
export function compilePattern(rule: string, pattern: string): (text: string) => boolean {
  try {
    const program = compileProgram(parsePattern(pattern));
    return (text) => isMatch(program, text);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new UnsupportedRule(rule, `${pattern} is not a regular expression: ${error.message}`);
  }
}

function isMatch(program: Program, text: string): boolean {
  const walk = new Walk(program);
  let arrived: number[] = [];
  let before = NONE;
  for (let at = 0; at <= text.length; at += before > 0xffff ? 2 : 1) {
    const after = text.codePointAt(at) ?? NONE;
    const next = walk.advance([...arrived, program.start], before, after);
    if (!next) return true;
    arrived = next;
    before = after;
  }
  return false;
}

/** Follows all states of an automaton at once. */
class Walk {
  readonly #states: Program["states"];
  // The round in which a state was last visited: none is visited twice at one place.
  readonly #visits: Uint32Array;
  #round = 0;

  constructor({ states }: Program) {
    this.#states = states;
    this.#visits = new Uint32Array(states.length);
  }

  /** From states between two characters to those behind the second; undefined when the pattern has matched. */
  advance(waiting: number[], before: number, after: number): number[] | undefined {
    const arrived: number[] = [];
    this.#round++;
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      const state = this.#visit(id);
      if (state?.kind === "match") return undefined;
      if (state?.kind === "split") waiting.push(...state.next);
      else if (state?.kind === "assertion" && holds(state.assertion, before, after)) waiting.push(state.next);
      else if (state?.kind === "character" && after !== NONE && state.accepts(after)) arrived.push(state.next);
    }
    return arrived;
  }

  #visit(id: number): State | undefined {
    if (this.#visits[id] === this.#round) return undefined;
    this.#visits[id] = this.#round;
    return this.#states[id];
  }
}

function holds(assertion: Assertion, before: number, after: number): boolean {
  switch (assertion) {
    case "text begins":
      return before === NONE;
    case "text ends":
      return after === NONE;
    case "line begins":
      return before === NONE || before === LINE_FEED;
    case "line ends":
      return after === NONE || after === LINE_FEED;
    case "word border":
      return isWord(before) !== isWord(after);
    case "no word border":
      return isWord(before) === isWord(after);
  }
}

function isWord(character: number): boolean {
  return character !== NONE && isWordCharacter(character);
}
