// SPDX-License-Identifier: Apache-2.0
import { PatternError } from "./syntax.ts";

/** Whether a code point is one of a set. */
export type CharacterTest = (codePoint: number) => boolean;

const ASCII = 128;

/** The sets of a dot, with and without the flag `s`. */
export const ANY = "\\u{0}-\\u{10ffff}";
export const NOT_A_LINE_FEED = "[^\\n]";

/** Ranges of ASCII, in the content of a JavaScript character class under the flag `v`. */
const PERL: Readonly<Record<string, string>> = { d: "0-9", w: "0-9A-Z_a-z", s: "\\t\\n\\f\\r " };
const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7f",
  blank: "\\t ",
  cntrl: "\\x00-\\x1f\\x7f",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`\\{-~",
  space: "\\t-\\r ",
  upper: "A-Z",
  word: "0-9A-Z_a-z",
  xdigit: "0-9A-Fa-f",
};

/** The set of one character, for a JavaScript character class. */
export function literalSet(codePoint: number): string {
  return `\\u{${codePoint.toString(16)}}`;
}

/** The set of `\d`, `\w`, `\s` and their complements. */
export function perlSet(letter: string): string {
  const set = PERL[letter.toLowerCase()] ?? "";
  return letter === letter.toLowerCase() ? `[${set}]` : `[^${set}]`;
}

/** The set of `[:name:]` or `[:^name:]`, given what stands between the colons. */
export function posixSet(name: string): string {
  const isNegated = name.startsWith("^");
  const set = POSIX[isNegated ? name.slice(1) : name];
  if (set === undefined) throw new PatternError(`[:${name}:] is no character class`);
  return isNegated ? `[^${set}]` : `[${set}]`;
}

/** The set of `\p{name}`: a general category, a script or Any. */
export function unicodeSet(name: string, isNegated: boolean): string {
  const property = /^(?:Any|[A-Z][a-z]?)$/.test(name) ? name : `Script=${name}`;
  const set = `\\p{${property}}`;
  try {
    compile(set, false);
  } catch (cause) {
    throw new PatternError(`\\p{${name}} is no general category or script`, { cause });
  }
  return isNegated ? `[^${set}]` : set;
}

/**
 * Compiles the content of a character class. JavaScript sees one character at a time, so that no text can keep its
 * regular expressions busy; ASCII is a table.
 */
export function characterTest(set: string, ignoresCase: boolean): CharacterTest {
  const expression = compile(set, ignoresCase);
  const ascii = Array.from({ length: ASCII }, (_, codePoint) => expression.test(String.fromCharCode(codePoint)));
  return (codePoint) => ascii[codePoint] ?? expression.test(String.fromCodePoint(codePoint));
}

function compile(set: string, ignoresCase: boolean): RegExp {
  return new RegExp(`^[${set}]$`, ignoresCase ? "vi" : "v");
}
