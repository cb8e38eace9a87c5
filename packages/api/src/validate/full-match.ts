// SPDX-License-Identifier: Apache-2.0
import { compilePattern } from "./re2/pattern.ts";

/** A test of whole texts, or why there is none. */
export type FullMatch =
  | { readonly ok: true; readonly test: (text: string) => boolean }
  | { readonly ok: false; readonly message: string };

/**
 * Compiles a regular expression in RE2's syntax to a test whether it matches all of a text, as matchers in Envoy's
 * configuration do. The test takes time linear in the text, whatever the pattern.
 */
export function compileFullMatch(pattern: string): FullMatch {
  try {
    return { ok: true, test: compilePattern("regex", `\\A(?:${pattern})\\z`) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}
