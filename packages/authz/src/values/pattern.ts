// SPDX-License-Identifier: Apache-2.0
import { parsed, shown, unreadable, type Parsed } from "../problem.ts";

/** How a text is compared; plain tests of characters, never a regular expression. */
export type Pattern =
  | { readonly kind: "exact" | "prefix" | "suffix"; readonly text: string }
  /** Any text but the empty one. */
  | { readonly kind: "presence" };

export const PRESENCE: Pattern = { kind: "presence" };

/**
 * Istio's notation in AuthorizationPolicy: `*` presence, `*x` suffix, `x*` prefix, else exact.
 * An empty text is refused: in a list of namespaces it would match clients without identity.
 */
export function parsePattern(text: string): Parsed<Pattern> {
  if (text === "") return unreadable("is empty");
  if (text === "*") return parsed(PRESENCE);
  if (text.startsWith("*")) return parsed({ kind: "suffix", text: text.slice(1) });
  if (text.endsWith("*")) return parsed({ kind: "prefix", text: text.slice(0, -1) });
  return parsed({ kind: "exact", text });
}

const SCHEME = "spiffe://";

/** A pattern for SPIFFE ids as users write them, with or without the scheme, which policies leave out. */
export function parsePrincipal(text: string): Parsed<Pattern> {
  const pattern = parsePattern(text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text);
  return pattern.ok ? checkPrincipal(pattern.value) : pattern;
}

/** Refuses what could never equal a SPIFFE id without its scheme, because the pattern contains a scheme. */
export function checkPrincipal(pattern: Pattern): Parsed<Pattern> {
  if (pattern.kind === "presence" || !pattern.text.includes("://")) return parsed(pattern);
  return unreadable(`${shown(pattern.text)} contains a scheme; principals are written without ${SCHEME}`);
}

/**
 * A pattern for trust domains as a pattern for principals: a trust domain is all of an id before the first "/".
 * The tail of a trust domain can't be told that way.
 */
export function parseTrustDomain(text: string): Parsed<Pattern> {
  if (text.includes("/")) return unreadable(`${shown(text)} is not a trust domain: it contains "/"`);
  const pattern = parsePattern(text);
  if (!pattern.ok || pattern.value.kind === "presence") return pattern;
  if (pattern.value.text.includes("*")) return unreadable(`${shown(text)} has more than one "*"`);
  switch (pattern.value.kind) {
    case "exact":
      return parsed({ kind: "prefix", text: `${pattern.value.text}/` });
    case "prefix":
      return pattern;
    case "suffix":
      return unreadable(`${shown(text)} can't be enforced: node proxies know no suffixes of trust domains`);
  }
}

/** True for texts that at least one pattern matches. */
export function patternTest(patterns: readonly Pattern[]): (text: string) => boolean {
  const exact = new Set<string>();
  const tests: ((text: string) => boolean)[] = [];
  for (const pattern of patterns) {
    switch (pattern.kind) {
      case "exact":
        exact.add(pattern.text);
        break;
      case "prefix":
        tests.push((text) => text.startsWith(pattern.text));
        break;
      case "suffix":
        tests.push((text) => text.endsWith(pattern.text));
        break;
      case "presence":
        tests.push((text) => text !== "");
    }
  }
  if (tests.length === 0) {
    const [only] = exact;
    return exact.size === 1 ? (text) => text === only : (text) => exact.has(text);
  }
  return (text) => exact.has(text) || tests.some((test) => test(text));
}

/** The pattern in Istio's notation. */
export function patternText(pattern: Pattern): string {
  switch (pattern.kind) {
    case "exact":
      return pattern.text;
    case "prefix":
      return `${pattern.text}*`;
    case "suffix":
      return `*${pattern.text}`;
    case "presence":
      return "*";
  }
}
