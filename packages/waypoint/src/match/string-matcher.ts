// SPDX-License-Identifier: Apache-2.0
import type { RegexMatcher, StringMatcher } from "@ambientmesh/api/envoy/type";
import { compileFullMatch } from "@ambientmesh/api/validate";
import { invalid } from "../config/refusal.ts";

export type TextTest = (text: string) => boolean;

/** @throws MeshError WAYPOINT_CONFIG_INVALID */
export function compileStringMatcher(matcher: StringMatcher | undefined, path: string): TextTest {
  const pattern = matcher?.matchPattern;
  if (!matcher || pattern?.case === undefined) throw invalid(path, "is empty");
  if (pattern.case === "safeRegex") return compileRegex(pattern.value, `${path}.safe_regex`);
  if (pattern.case === "custom") throw invalid(`${path}.custom`, "is not supported");
  const test = TESTS[pattern.case];
  const wanted = pattern.value;
  if (!matcher.ignoreCase) return (text) => test(text, wanted);
  const lower = wanted.toLowerCase();
  return (text) => test(text.toLowerCase(), lower);
}

/** A regular expression that has to match all of the text, in linear time. */
export function compileRegex(matcher: RegexMatcher | undefined, path: string): TextTest {
  const compiled = compileFullMatch(matcher?.regex ?? "");
  if (!compiled.ok) throw invalid(`${path}.regex`, compiled.message);
  return compiled.test;
}

const TESTS = {
  exact: (text: string, wanted: string) => text === wanted,
  prefix: (text: string, wanted: string) => text.startsWith(wanted),
  suffix: (text: string, wanted: string) => text.endsWith(wanted),
  contains: (text: string, wanted: string) => text.includes(wanted),
} as const;
