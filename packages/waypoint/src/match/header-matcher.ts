// SPDX-License-Identifier: Apache-2.0
import type { HeaderMatcher } from "@ambientmesh/api/envoy/route";
import { unsupported } from "../config/refusal.ts";
import { compileRegex, compileStringMatcher, type TextTest } from "./string-matcher.ts";

/** Gives the values of a header by its name in lower case. */
export type HeaderLookup = (name: string) => readonly string[];
export type HeaderTest = (lookup: HeaderLookup) => boolean;

/** All of the matchers have to match. */
export function compileHeaderMatchers(matchers: readonly HeaderMatcher[], path: string): HeaderTest {
  const tests = matchers.map((matcher, index) => compileHeaderMatcher(matcher, `${path}[${index}]`));
  return (lookup) => tests.every((test) => test(lookup));
}

/**
 * One value that matches is enough, as in Envoy since 1.39: joined values could be made to slip by a policy.
 * Missing headers match no value, inverted or not, as in Envoy, except where they count as empty or where their absence is
 * what is asked for.
 */
export function compileHeaderMatcher(matcher: HeaderMatcher, path: string): HeaderTest {
  const name = matcher.name.toLowerCase();
  const { invertMatch, treatMissingHeaderAsEmpty } = matcher;
  const specifier = matcher.headerMatchSpecifier;
  if (specifier.case === "presentMatch" || specifier.case === undefined) {
    const isWanted = specifier.value ?? true;
    return (lookup) => {
      const isPresent = treatMissingHeaderAsEmpty || lookup(name).length > 0;
      return (isPresent === isWanted) !== invertMatch;
    };
  }
  const test = valueTest(specifier, path);
  return (lookup) => {
    const values = lookup(name);
    if (values.length > 0) return values.some(test) !== invertMatch;
    return treatMissingHeaderAsEmpty && test("") !== invertMatch;
  };
}

type ValueSpecifier = Exclude<HeaderMatcher["headerMatchSpecifier"], { case: "presentMatch" | undefined }>;

function valueTest(specifier: ValueSpecifier, path: string): TextTest {
  switch (specifier.case) {
    case "exactMatch":
      return (text) => text === specifier.value;
    case "prefixMatch":
      return (text) => text.startsWith(specifier.value);
    case "suffixMatch":
      return (text) => text.endsWith(specifier.value);
    case "containsMatch":
      return (text) => text.includes(specifier.value);
    case "safeRegexMatch":
      return compileRegex(specifier.value, `${path}.safe_regex_match`);
    case "stringMatch":
      return compileStringMatcher(specifier.value, `${path}.string_match`);
    case "rangeMatch": {
      const { start, end } = specifier.value;
      return (text) => /^-?\d{1,19}$/.test(text) && BigInt(text) >= start && BigInt(text) < end;
    }
    default:
      throw unsupported(path);
  }
}
