// SPDX-License-Identifier: Apache-2.0
import { KnownRegex, type StringRules } from "../../gen/validate/validate_pb.ts";
import { compilePattern } from "../re2/pattern.ts";
import { type Rule, type ValueTests, UnsupportedRule, given } from "../rule.ts";
import { showValue } from "../show.ts";
import { FORMATS, HEADER_NAME, HEADER_TEXT, HEADER_VALUE, type Format } from "./formats.ts";
import { lengthRules } from "./length.ts";
import { type Kind, membershipRules } from "./membership.ts";

const STRINGS: Kind<string> = { name: "string", key: (value) => value, show: showValue };

/** Tests of strings. */
export function stringTests(rules: StringRules): ValueTests {
  const tests = [
    ...membershipRules(STRINGS, { const: given(rules, "const"), in: rules.in, notIn: rules.notIn }),
    ...lengthRules<string>(
      { unit: "character", measure: countCodePoints },
      {
        exactly: ["string.len", given(rules, "len")],
        atLeast: ["string.min_len", given(rules, "minLen")],
        atMost: ["string.max_len", given(rules, "maxLen")],
      },
    ),
    ...lengthRules<string>(
      { unit: "byte", measure: (value) => Buffer.byteLength(value) },
      {
        exactly: ["string.len_bytes", given(rules, "lenBytes")],
        atLeast: ["string.min_bytes", given(rules, "minBytes")],
        atMost: ["string.max_bytes", given(rules, "maxBytes")],
      },
    ),
    ...contentRules(rules),
    ...formatRules(rules),
  ];
  return { rules: tests, ...(rules.ignoreEmpty && { ignores: (value: string) => value === "" }) };
}

/** Counts until there are more than `enough`. */
function countCodePoints(text: string, enough: number): number {
  let counted = 0;
  for (let at = 0; at < text.length && counted <= enough; counted++) {
    at += (text.codePointAt(at) as number) > 0xffff ? 2 : 1;
  }
  return counted;
}

function contentRules(rules: StringRules): Rule<string>[] {
  const tests: Rule<string>[] = [];
  const add = (name: string, expected: string, holds: (value: string) => boolean): void => {
    tests.push({ name: `string.${name}`, expected, fails: (value) => !holds(value) });
  };
  const [prefix, suffix] = [given(rules, "prefix"), given(rules, "suffix")];
  const [contains, without] = [given(rules, "contains"), given(rules, "notContains")];
  const pattern = given(rules, "pattern");
  if (prefix !== undefined) add("prefix", `must begin with ${showValue(prefix)}`, (value) => value.startsWith(prefix));
  if (suffix !== undefined) add("suffix", `must end with ${showValue(suffix)}`, (value) => value.endsWith(suffix));
  if (contains !== undefined)
    add("contains", `must contain ${showValue(contains)}`, (value) => value.includes(contains));
  if (without !== undefined) {
    add("not_contains", `must not contain ${showValue(without)}`, (value) => !value.includes(without));
  }
  if (pattern !== undefined) add("pattern", `must match ${pattern}`, compilePattern("string.pattern", pattern));
  return tests;
}

function formatRules(rules: StringRules): Rule<string>[] {
  const { wellKnown } = rules;
  if (wellKnown.case === undefined) return [];
  if (wellKnown.case === "wellKnownRegex") return headerRules(wellKnown.value, rules.strict);
  if (!wellKnown.value) return [];
  return [formatRule(wellKnown.case === "uriRef" ? "uri_ref" : wellKnown.case, FORMATS[wellKnown.case])];
}

function headerRules(regex: number, isStrict: boolean): Rule<string>[] {
  const rule = "well_known_regex";
  switch (regex) {
    case KnownRegex.UNKNOWN:
      return [];
    case KnownRegex.HTTP_HEADER_NAME:
      return [formatRule(rule, isStrict ? HEADER_NAME : HEADER_TEXT)];
    case KnownRegex.HTTP_HEADER_VALUE:
      return [formatRule(rule, isStrict ? HEADER_VALUE : HEADER_TEXT)];
    default:
      throw new UnsupportedRule(`string.${rule}`, `${regex} is not a known regular expression`);
  }
}

function formatRule(rule: string, { words, holds }: Format): Rule<string> {
  return { name: `string.${rule}`, expected: `must be ${words}`, fails: (value) => !holds(value) };
}
