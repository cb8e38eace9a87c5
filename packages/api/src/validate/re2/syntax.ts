// SPDX-License-Identifier: Apache-2.0
import type { CharacterTest } from "./character-test.ts";

/** Conditions on a place between two characters. */
export type Assertion = "text begins" | "text ends" | "line begins" | "line ends" | "word border" | "no word border";

/** A parsed regular expression. Groups leave no trace: only whether a text matches is asked. */
export type Node =
  | { readonly kind: "character"; readonly accepts: CharacterTest }
  | { readonly kind: "assertion"; readonly assertion: Assertion }
  | { readonly kind: "sequence"; readonly parts: readonly Node[] }
  | { readonly kind: "choice"; readonly parts: readonly Node[] }
  | { readonly kind: "repetition"; readonly part: Node; readonly least: number; readonly most: number };

/** The pattern is not RE2, or goes beyond its limits. */
export class PatternError extends Error {}
