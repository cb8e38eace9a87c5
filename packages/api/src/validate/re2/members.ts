// SPDX-License-Identifier: Apache-2.0
import { literalSet, perlSet, posixSet, unicodeSet } from "./character-test.ts";
import type { PatternReader } from "./pattern-reader.ts";
import { PatternError } from "./syntax.ts";

/** One character, or a set of them, for the content of a JavaScript character class. */
export type Member = { readonly codePoint: number } | { readonly set: string };

const CONTROLS: Readonly<Record<string, number>> = { a: 7, t: 9, n: 10, v: 11, f: 12, r: 13 };
const MAX_CODE_POINT = 0x10ffff;

/** Reads an escape, backslash included, that means the same inside and outside of a character class. */
export function readEscape(reader: PatternReader): Member {
  const [, perl] = reader.take(/\\([dDsSwW])/y) ?? [];
  if (perl !== undefined) return { set: perlSet(perl) };
  const [, sign, short, complement, long] = reader.take(/\\([pP])(?:([^{])|\{(\^?)([^}]+)\})/uy) ?? [];
  if (sign !== undefined) return { set: unicodeSet(short ?? long ?? "", (sign === "P") !== (complement === "^")) };
  const codePoint = readHexadecimal(reader) ?? readOctal(reader) ?? readSingle(reader);
  if (codePoint === undefined) throw new PatternError("a \\ stands before nothing that RE2 escapes");
  return { codePoint };
}

/** `\x7f`, `\x{10ffff}`. */
function readHexadecimal(reader: PatternReader): number | undefined {
  const [, short, long] = reader.take(/\\x(?:([\dA-Fa-f]{2})|\{([\dA-Fa-f]+)\})/y) ?? [];
  const digits = short ?? long;
  if (digits === undefined) return undefined;
  const codePoint = Number.parseInt(digits, 16);
  if (codePoint > MAX_CODE_POINT) throw new PatternError(`\\x{${digits}} is no character`);
  return codePoint;
}

/** `\012` and `\0`, but not `\1`: elsewhere that refers back to a group. */
function readOctal(reader: PatternReader): number | undefined {
  const [, digits] = reader.take(/\\(0[0-7]{0,2}|[1-7][0-7]{1,2})/y) ?? [];
  return digits === undefined ? undefined : Number.parseInt(digits, 8);
}

/** A control character's letter, or ASCII that is neither letter nor digit and stands for itself. */
function readSingle(reader: PatternReader): number | undefined {
  const [, letter] = reader.take(/\\([atnvfr]|[\0-/:-@[-`{-\x7f])/y) ?? [];
  return letter === undefined ? undefined : (CONTROLS[letter] ?? letter.codePointAt(0));
}

/** Reads a character class, brackets included, as a set. */
export function readClass(reader: PatternReader): string {
  const [, complement = ""] = reader.take(/\[(\^?)/y) ?? [];
  const sets: string[] = [];
  // A ] at the beginning is a member.
  while (sets.length === 0 || !reader.take(/\]/y)) sets.push(readMembers(reader));
  return `[${complement}${sets.join("")}]`;
}

/** One character, a range of them, or a set such as `\d`. */
function readMembers(reader: PatternReader): string {
  const first = readMember(reader);
  if ("set" in first) return first.set;
  if (!reader.take(/-(?!\])/y)) return literalSet(first.codePoint);
  const last = readMember(reader);
  if ("set" in last || last.codePoint < first.codePoint) throw new PatternError("a range of characters has no end");
  return `${literalSet(first.codePoint)}-${literalSet(last.codePoint)}`;
}

function readMember(reader: PatternReader): Member {
  if (reader.isDone) throw new PatternError("a [ has no ]");
  if (reader.sees("\\")) return readEscape(reader);
  const [, name] = reader.take(/\[:([^]*?):\]/y) ?? [];
  return name === undefined ? { codePoint: reader.takeCharacter().codePointAt(0) as number } : { set: posixSet(name) };
}
