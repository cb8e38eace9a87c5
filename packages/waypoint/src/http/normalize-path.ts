// SPDX-License-Identifier: Apache-2.0

/** What to do with `%2F`, `%5C` and the like in paths (Envoy's path_with_escaped_slashes_action). */
export type EscapedSlashes = "keep" | "reject" | "unescape-and-redirect" | "unescape-and-forward";

/** Which changes are made to paths before routes and policies look at them. */
export interface PathOptions {
  readonly isNormalized: boolean;
  readonly mergesSlashes: boolean;
  readonly escapedSlashes: EscapedSlashes;
}

/** The path to go on with, or why there is none. */
export type NormalizedPath =
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "redirect"; readonly path: string }
  | { readonly kind: "refused"; readonly details: string };

/** Normalises a path with its query, which is left alone. */
export function normalizePath(whole: string, options: PathOptions): NormalizedPath {
  if (whole.includes("#")) return refusedPath();
  if (!whole.startsWith("/")) return refusedPath();
  const at = whole.indexOf("?");
  const query = at < 0 ? "" : whole.slice(at);
  let path = at < 0 ? whole : whole.slice(0, at);
  const hasEscapedSlashes = /%2f|%5c/i.test(path);
  if (hasEscapedSlashes && options.escapedSlashes === "reject") return refusedPath();
  const isUnescaped = hasEscapedSlashes && options.escapedSlashes !== "keep";
  if (isUnescaped) path = path.replaceAll(/%2f/gi, "/").replaceAll(/%5c/gi, "\\");
  if (options.isNormalized) {
    if (/%00|\0/.test(path)) return refusedPath();
    path = canonical(path);
  }
  // Envoy puts the last slash back, also where it is the first one too.
  if (options.mergesSlashes) path = /^\/{2,}$/.test(path) ? "//" : path.replaceAll(/\/{2,}/g, "/");
  const isRedirect = isUnescaped && options.escapedSlashes === "unescape-and-redirect";
  return { kind: isRedirect ? "redirect" : "path", path: path + query };
}

function refusedPath(): NormalizedPath {
  return { kind: "refused", details: "path_normalization_failed" };
}

/** RFC 3986 section 6.2.2 as Envoy's canonicaliser does it: dot segments go, unreserved characters are not escaped. */
function canonical(path: string): string {
  const plain = path.replaceAll("\\", "/").replaceAll(/%([0-9a-f]{2})/gi, (escape, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : escape;
  });
  return removeDotSegments(escapeUnsafe(plain));
}

/** Characters that no path has; what is no ASCII comes as latin1 and so octet by octet. */
function escapeUnsafe(path: string): string {
  return path.replaceAll(/[^\x21-\x7e]|["<>^`{|}]/g, (character) => {
    return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
  });
}

/** RFC 3986 section 5.2.4. */
function removeDotSegments(path: string): string {
  const segments: string[] = [];
  const all = path.split("/").slice(1);
  for (const [index, segment] of all.entries()) {
    const isLast = index === all.length - 1;
    if (segment === "..") segments.pop();
    else if (segment !== ".") segments.push(segment);
    if (isLast && (segment === "." || segment === "..")) segments.push("");
  }
  return `/${segments.join("/")}`;
}
