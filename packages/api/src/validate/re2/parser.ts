// SPDX-License-Identifier: Apache-2.0
import { ANY, NOT_A_LINE_FEED, characterTest, literalSet } from "./character-test.ts";
import { readClass, readEscape } from "./members.ts";
import { PatternReader } from "./pattern-reader.ts";
import { type Assertion, type Node, PatternError } from "./syntax.ts";

/** RE2's limit on `{n,m}`. */
const MAX_REPETITIONS = 1000;
const MAX_DEPTH = 200;

/** i: letters match whatever their case. m: ^ and $ match at lines. s: a dot matches \n. */
type Flags = string;

interface Range {
  readonly least: number;
  readonly most: number;
}

/**
 * Parses RE2's syntax (https://github.com/google/re2/wiki/Syntax).
 *
 * @throws PatternError for what RE2 refuses, and for `\C`, which takes characters apart
 */
export function parsePattern(pattern: string): Node {
  return new Parser(new PatternReader(pattern)).parse();
}

class Parser {
  readonly #reader: PatternReader;
  #flags: Flags = "";
  #depth = 0;

  constructor(reader: PatternReader) {
    this.#reader = reader;
  }

  parse(): Node {
    const node = this.#readChoice();
    if (!this.#reader.isDone) throw new PatternError("a ) has no (");
    return node;
  }

  #readChoice(): Node {
    if (++this.#depth > MAX_DEPTH) throw new PatternError(`groups are nested more than ${MAX_DEPTH} deep`);
    const parts = [this.#readSequence()];
    while (this.#reader.take(/\|/y)) parts.push(this.#readSequence());
    this.#depth--;
    return { kind: "choice", parts };
  }

  #readSequence(): Node {
    const parts: Node[] = [];
    while (!this.#reader.isDone && !this.#reader.sees("|") && !this.#reader.sees(")")) {
      if (!this.#takeFlags()) parts.push(this.#readRepetition(this.#readAtom()));
    }
    return { kind: "sequence", parts };
  }

  /** `(?i)`: flags for what remains of the group. */
  #takeFlags(): boolean {
    const [, on, off] = this.#reader.take(/\(\?(?=[a-zA-Z-])([imsU]*)(?:-([imsU]+))?\)/y) ?? [];
    if (on === undefined) return false;
    this.#setFlags(on, off);
    return true;
  }

  #setFlags(on: string, off = ""): void {
    this.#flags = (this.#flags + on).replaceAll(new RegExp(`[${off}]`, "g"), "");
  }

  /** Whether a repetition is lazy (`*?`) decides what groups capture, not whether a text matches. */
  #readRepetition(part: Node): Node {
    const range = this.#takeRange();
    if (!range) return part;
    this.#reader.take(/\?/y);
    if (this.#takeRange()) throw new PatternError("a repetition is repeated");
    return { kind: "repetition", part, ...range };
  }

  #takeRange(): Range | undefined {
    if (this.#reader.take(/\*/y)) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (this.#reader.take(/\+/y)) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (this.#reader.take(/\?/y)) return { least: 0, most: 1 };
    const [text, from, comma, to] = this.#reader.take(/\{(\d+)(?:(,)(\d*))?\}/y) ?? [];
    if (text === undefined) return undefined;
    const least = Number(from);
    const last = to === "" ? Number.POSITIVE_INFINITY : Number(to);
    const most = comma === undefined ? least : last;
    if (most < least || [least, most].some((limit) => limit > MAX_REPETITIONS && Number.isFinite(limit))) {
      throw new PatternError(`${text} is no range of up to ${MAX_REPETITIONS}`);
    }
    return { least, most };
  }

  #readAtom(): Node {
    if (this.#reader.sees("(")) return this.#readGroup();
    if (this.#reader.sees("[")) return this.#set(readClass(this.#reader));
    if (this.#reader.sees("\\")) return this.#readBackslash();
    const character = this.#reader.takeCharacter();
    switch (character) {
      case ".":
        return this.#set(this.#flags.includes("s") ? ANY : NOT_A_LINE_FEED);
      case "^":
        return { kind: "assertion", assertion: this.#flags.includes("m") ? "line begins" : "text begins" };
      case "$":
        return { kind: "assertion", assertion: this.#flags.includes("m") ? "line ends" : "text ends" };
      case "*":
      case "+":
      case "?":
        throw new PatternError(`${character} repeats nothing`);
      default:
        return this.#literal(character);
    }
  }

  /** `(…)`, `(?:…)`, `(?i:…)`, `(?P<name>…)` and `(?<name>…)`. */
  #readGroup(): Node {
    const outer = this.#flags;
    if (!this.#reader.take(/\((?!\?)|\(\?P?<\w+>/y)) {
      const [, on, off] = this.#reader.take(/\(\?([imsU]*)(?:-([imsU]+))?:/y) ?? [];
      if (on === undefined) throw new PatternError("RE2 has no such group");
      this.#setFlags(on, off);
    }
    const node = this.#readChoice();
    if (!this.#reader.take(/\)/y)) throw new PatternError("a ( has no )");
    this.#flags = outer;
    return node;
  }

  #readBackslash(): Node {
    const [, anchor] = this.#reader.take(/\\([AzbB])/y) ?? [];
    if (anchor !== undefined) return { kind: "assertion", assertion: ANCHORS[anchor] as Assertion };
    const [, quoted] = this.#reader.take(/\\Q((?:[^\\]|\\(?!E))*)(?:\\E|$)/y) ?? [];
    if (quoted !== undefined) return this.#readQuoted(quoted);
    const member = readEscape(this.#reader);
    return "set" in member ? this.#set(member.set) : this.#literal(String.fromCodePoint(member.codePoint));
  }

  /** What follows `\E` repeats the last character only. */
  #readQuoted(text: string): Node {
    const parts = Array.from(text, (character) => this.#literal(character));
    const last = parts.pop();
    return { kind: "sequence", parts: last ? [...parts, this.#readRepetition(last)] : [] };
  }

  #literal(character: string): Node {
    const codePoint = character.codePointAt(0) as number;
    if (this.#flags.includes("i")) return this.#set(literalSet(codePoint));
    return { kind: "character", accepts: (candidate) => candidate === codePoint };
  }

  #set(set: string): Node {
    return { kind: "character", accepts: characterTest(set, this.#flags.includes("i")) };
  }
}

const ANCHORS: Readonly<Record<string, Assertion>> = {
  A: "text begins",
  z: "text ends",
  b: "word border",
  B: "no word border",
};
