// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { UnsupportedRule } from "../../src/validate/rule.ts";
import { compilePattern } from "../../src/validate/re2/pattern.ts";

const matches = (pattern: string, text: string): boolean => compilePattern("string.pattern", pattern)(text);

// The meaning of each construct is from https://github.com/google/re2/wiki/Syntax.
test.each<[pattern: string, yes: string[], no: string[]]>([
  ["", ["", "a"], []],
  ["abc", ["abc", "xabcx"], ["ab", ""]],
  ["^abc$", ["abc"], ["abcx", "xabc", "abc\n"]],
  ["a|bc|", ["", "a"], []],
  ["^(a|bc)$", ["a", "bc"], ["", "b", "abc"]],
  ["^a*$", ["", "aaa"], ["b"]],
  ["^a+?b??$", ["a", "aab"], ["", "b"]],
  ["^a{2}$", ["aa"], ["a", "aaa"]],
  ["^a{2,}$", ["aa", "aaaa"], ["a"]],
  ["^a{0,2}$", ["", "aa"], ["aaa"]],
  ["^(ab){2}$", ["abab"], ["ab"]],
  ["^a{,2}$", ["a{,2}"], ["aa"]],
  ["^{}$", ["{}"], [""]],
  ["^a{x}$", ["a{x}"], ["a"]],
  ["^.$", ["a", "\r", "\u2028", "\u{1f511}"], ["", "\n", "ab"]],
  ["(?s)^.$", ["\n"], [""]],
  ["(?s:.)\\n(?-s:.)", ["\n\na"], ["\n\n\n"]],
  ["^[abc]$", ["b"], ["d", "ab"]],
  ["^[^abc]$", ["d", "\n"], ["a"]],
  ["^[a-c-]$", ["b", "-"], ["d"]],
  ["^[]a]$", ["]", "a"], ["b"]],
  ["^[^]a]$", ["b"], ["]", "a"]],
  ["^[a\\-c]$", ["-", "c"], ["b"]],
  ["^[\\d_]$", ["7", "_"], ["a"]],
  ["^[\\d-z]$", ["7", "-", "z"], ["a"]],
  ["^[\\W]$", ["-", "é"], ["a"]],
  ["^[^\\W]$", ["a", "_"], ["-"]],
  ["^[[:alpha:]]$", ["a", "Z"], ["1", "é"]],
  ["^[[:^alpha:]1]$", ["1", "é"], ["a"]],
  ["^[[:punct:]]+$", ["!/:@[`{~"], ["a"]],
  ["^[[:word:]-]$", ["a", "-"], ["."]],
  ["^[[:]$", ["[", ":"], ["a"]],
  ["^[&&~~|(){}]+$", ["&~|(){}"], ["a"]],
  ["^\\d\\D\\w\\W\\s\\S$", ["1a_- x"], ["11_- x"]],
  ["^\\s$", [" ", "\t", "\n", "\f", "\r"], ["\v", "\u00a0"]],
  ["^\\w$", ["a"], ["é", "\u212a"]],
  ["^\\d$", ["1"], ["\u0661"]],
  ["^\\pL\\p{Lu}\\PN\\P{Nd}$", ["éÉa-"], ["1Éa-", "ééa-"]],
  ["^\\p{Greek}\\p{^Greek}\\P{^Greek}$", ["αaα"], ["aaa"]],
  ["^\\p{Any}$", ["a", "\n"], [""]],
  ["^\\a\\t\\n\\v\\f\\r$", ["\x07\t\n\v\f\r"], [""]],
  ["^\\x41\\x{1f511}\\101\\0\\07$", ["A\u{1f511}A\0\x07"], [""]],
  ["^\\.\\*\\/\\_\\-\\\\\\ $", [".*/_-\\ "], [""]],
  ["^\\Qa.b*\\E+$", ["a.b*", "a.b**"], ["a.b", "axb*"]],
  ["\\Q\\E\\Q.", ["."], ["a"]],
  ["(?i)^abc$", ["ABC", "aBc"], ["ab"]],
  ["(?i)^k$", ["K", "\u212a"], ["x"]],
  ["^(?i:a)b$", ["Ab"], ["AB"]],
  ["^(?i)a(?-i)b$", ["Ab"], ["AB"]],
  ["^((?i)a|b)c$", ["Ac", "Bc"], ["AC"]],
  ["(?i)^[^a]$", ["b"], ["a", "A"]],
  ["(?i)^[[:upper:]\\W]$", ["a", "-"], ["1"]],
  ["(?i)^\\p{Lu}$", ["a", "A"], ["1"]],
  ["(?m)^b$", ["a\nb\nc", "b"], ["ab"]],
  ["(?m)\\Ab\\z", ["b"], ["a\nb"]],
  ["(?U)^a+$", ["aa"], [""]],
  ["\\bfoo\\b", ["a foo b", "foo"], ["foot", "éfoos"]],
  ["\\Boo\\b", ["foo"], ["oo", "foot"]],
  ["\\B", ["", "ab", "-"], ["a", "a\u{1f511}a"]],
  ["^(?P<name>a)(?<other>b)(?:c)$", ["abc"], ["ab"]],
  ["^(?:a*)*$", ["", "aa"], ["b"]],
  ["^(?:a|^)*b", ["aab", "b"], ["cb"]],
  ["(|a)+", ["", "a"], []],
  ["^é+$", ["éé"], ["e"]],
  ["^\u{1f511}{2}$", ["\u{1f511}\u{1f511}"], ["\u{1f511}"]],
])("%s", (pattern, yes, no) => {
  expect(yes.map((text) => [text, matches(pattern, text)])).toEqual(yes.map((text) => [text, true]));
  expect(no.map((text) => [text, matches(pattern, text)])).toEqual(no.map((text) => [text, false]));
});

test.each([
  ["(", "( is not a regular expression: a ( has no )"],
  [")", ") is not a regular expression: a ) has no ("],
  ["a)", "a) is not a regular expression: a ) has no ("],
  ["[a", "[a is not a regular expression: a [ has no ]"],
  ["[", "[ is not a regular expression: a [ has no ]"],
  ["[b-a]", "[b-a] is not a regular expression: a range of characters has no end"],
  ["[a-\\d]", "[a-\\d] is not a regular expression: a range of characters has no end"],
  ["[[:foo:]]", "[[:foo:]] is not a regular expression: [:foo:] is no character class"],
  ["*", "* is not a regular expression: * repeats nothing"],
  ["a|+", "a|+ is not a regular expression: + repeats nothing"],
  ["(?i)*", "(?i)* is not a regular expression: * repeats nothing"],
  ["a**", "a** is not a regular expression: a repetition is repeated"],
  ["a*+", "a*+ is not a regular expression: a repetition is repeated"],
  ["a{2}{3}", "a{2}{3} is not a regular expression: a repetition is repeated"],
  ["a{2,1}", "a{2,1} is not a regular expression: {2,1} is no range of up to 1000"],
  ["a{1001}", "a{1001} is not a regular expression: {1001} is no range of up to 1000"],
  ["a{1,1001}", "a{1,1001} is not a regular expression: {1,1001} is no range of up to 1000"],
  ["((a{100}){100}){100}", "((a{100}){100}){100} is not a regular expression: it needs more than 4000 states"],
  ["((){1000}){1000}", "((){1000}){1000} is not a regular expression: it needs more than 4000 states"],
  ["(?=a)", "(?=a) is not a regular expression: RE2 has no such group"],
  ["(?<=a)", "(?<=a) is not a regular expression: RE2 has no such group"],
  ["(?x:a)", "(?x:a) is not a regular expression: RE2 has no such group"],
  ["(?)", "(?) is not a regular expression: RE2 has no such group"],
  ["\\1", "\\1 is not a regular expression: a \\ stands before nothing that RE2 escapes"],
  ["\\C", "\\C is not a regular expression: a \\ stands before nothing that RE2 escapes"],
  ["\\Z", "\\Z is not a regular expression: a \\ stands before nothing that RE2 escapes"],
  ["\\é", "\\é is not a regular expression: a \\ stands before nothing that RE2 escapes"],
  ["\\", "\\ is not a regular expression: a \\ stands before nothing that RE2 escapes"],
  ["\\x4", "\\x4 is not a regular expression: a \\ stands before nothing that RE2 escapes"],
  ["\\p", "\\p is not a regular expression: a \\ stands before nothing that RE2 escapes"],
  ["\\x{110000}", "\\x{110000} is not a regular expression: \\x{110000} is no character"],
  ["\\p{Alphabetic}", "\\p{Alphabetic} is not a regular expression: \\p{Alphabetic} is no general category or script"],
  ["\\pX", "\\pX is not a regular expression: \\p{X} is no general category or script"],
])("%s is refused", (pattern, message) => {
  expect(() => compilePattern("string.pattern", pattern)).toThrow(message);
});

it("refuses groups nested so deep that compiling them would overflow the stack", () => {
  const pattern = `${"(".repeat(100_000)}${")".repeat(100_000)}`;
  expect(() => compilePattern("string.pattern", pattern)).toThrow("nested more than 200 deep");
});

describe("the automaton", () => {
  it.each(["^(a+)+$", "^(a|a)*$", "(.*)*b", "(a*)*(a*)*b", "^(a?){30}a{30}$", "(x+x+)+y"])(
    "answers %s for a text that keeps JavaScript's own engine busy for years",
    (pattern) => {
      expect(matches(pattern, `${"a".repeat(20_000)}\n`)).toBe(false);
    },
  );

  it("agrees with JavaScript where both know a pattern", () => {
    const { node } = fc.letrec<{ node: string; leaf: string }>((tie) => ({
      leaf: fc.constantFrom(
        "a",
        "b",
        "é",
        "\\n",
        ".",
        "[ab]",
        "[^a]",
        "\\w",
        "\\W",
        "\\d",
        "(?:^)",
        "(?:$)",
        "(?:\\b)",
        "(?:\\B)",
      ),
      node: fc.oneof(
        { depthSize: "small" },
        tie("leaf"),
        fc.tuple(tie("node"), tie("node")).map((parts) => parts.join("")),
        fc.tuple(tie("node"), tie("node")).map((parts) => `(?:${parts.join("|")})`),
        fc
          .tuple(tie("node"), fc.constantFrom("*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"))
          .map(([part, op]) => `(?:${part})${op}`),
      ),
    }));
    // Without surrogate pairs: V8 finds a \B inside of them.
    const text = fc.string({ unit: fc.constantFrom("a", "b", "A", "é", "É", "\n", "1", "-"), maxLength: 7 });
    const flags = fc.constantFrom("", "i", "m", "s", "im", "ims");
    fc.assert(
      fc.property(node, text, flags, (pattern, value, letters) => {
        const prefix = letters === "" ? "" : `(?${letters})`;
        expect(matches(prefix + pattern, value)).toBe(new RegExp(pattern, `v${letters}`).test(value));
      }),
      { numRuns: 500 },
    );
  });

  it("compiles or refuses any text", () => {
    const outcome = (pattern: string): string => {
      try {
        return String(matches(pattern, "a1é"));
      } catch (error) {
        if (error instanceof UnsupportedRule) return "refused";
        throw error;
      }
    };
    const piece = fc.constantFrom(...Array.from("()[]{}*+?|^$.\\-:,aQExpPd019iUé\u{1f511}"));
    fc.assert(
      fc.property(fc.string({ unit: piece, maxLength: 12 }), (pattern) => {
        expect(outcome(pattern)).toMatch(/^(?:true|false|refused)$/);
      }),
      { numRuns: 1000 },
    );
  });
});
