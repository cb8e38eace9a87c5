// SPDX-License-Identifier: Apache-2.0
import type { QueryParameterMatcher } from "@ambientmesh/api/envoy/route";
import { compileStringMatcher } from "../match/string-matcher.ts";

/** Parameters by name; the first of a name counts, as in Envoy. */
export type Query = ReadonlyMap<string, string>;

/** Reads the query of a path as it is: nothing is decoded, as in Envoy. */
export function parseQuery(path: string): Query {
  const parameters = new Map<string, string>();
  const [, query = ""] = /\?([^#]*)/.exec(path) ?? [];
  for (const part of query.split("&")) {
    const at = part.indexOf("=");
    const name = at < 0 ? part : part.slice(0, at);
    if (part !== "" && !parameters.has(name)) parameters.set(name, at < 0 ? "" : part.slice(at + 1));
  }
  return parameters;
}

/** All of the matchers have to match; undefined where there are none. */
export function compileQueryMatchers(
  matchers: readonly QueryParameterMatcher[],
  path: string,
): ((query: Query) => boolean) | undefined {
  if (matchers.length === 0) return undefined;
  const tests = matchers.map((matcher, index) => compileQueryMatcher(matcher, `${path}[${index}]`));
  return (query) => tests.every((test) => test(query));
}

function compileQueryMatcher(matcher: QueryParameterMatcher, path: string): (query: Query) => boolean {
  const { name, queryParameterMatchSpecifier: specifier } = matcher;
  if (specifier.case !== "stringMatch") {
    const isWanted = specifier.value ?? true;
    return (query) => query.has(name) === isWanted;
  }
  const test = compileStringMatcher(specifier.value, `${path}.string_match`);
  return (query) => {
    const value = query.get(name);
    return value !== undefined && test(value);
  };
}
