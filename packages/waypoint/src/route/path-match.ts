// SPDX-License-Identifier: Apache-2.0
import type { RouteMatch } from "@ambientmesh/api/envoy/route";
import { unsupported } from "../config/refusal.ts";
import { compileRegex } from "../match/string-matcher.ts";

/** How a route looks at the path without its query. */
export interface PathMatch {
  readonly test: (path: string) => boolean;
  /** How many characters of a path that passed are replaced by `prefix_rewrite`. */
  readonly matchedLength: (path: string) => number;
}

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compilePathMatch(match: RouteMatch | undefined, path: string): PathMatch {
  const specifier = match?.pathSpecifier;
  const fold = match?.caseSensitive === false ? (text: string) => text.toLowerCase() : (text: string) => text;
  switch (specifier?.case) {
    case "prefix": {
      const wanted = fold(specifier.value);
      return { test: (text) => fold(text).startsWith(wanted), matchedLength: () => wanted.length };
    }
    case "path": {
      const wanted = fold(specifier.value);
      return { test: (text) => fold(text) === wanted, matchedLength: () => wanted.length };
    }
    case "pathSeparatedPrefix": {
      const wanted = fold(specifier.value);
      const test = (text: string): boolean =>
        fold(text).startsWith(wanted) && (text.length === wanted.length || text[wanted.length] === "/");
      return { test, matchedLength: () => wanted.length };
    }
    case "safeRegex":
      return { test: compileRegex(specifier.value, `${path}.safe_regex`), matchedLength: (text) => text.length };
    default:
      throw unsupported(path, "asks for no path, prefix or regular expression");
  }
}
