// SPDX-License-Identifier: Apache-2.0
import type { Expression } from "./expression.ts";

/** Facts by which policies can be looked up: short texts like `namespace:app`. */
export interface KeyedFacts {
  readonly keys: readonly string[];
}

/** More keys than that are not worth an index. */
const MAX_KEYS = 1000;

/**
 * Keys of which the facts have at least one whenever the expression is true; undefined if there are no such keys.
 * `whenUnknown` as in `toTest`.
 */
export function neededKeys<Facts>(expression: Expression<Facts>, whenUnknown: boolean): readonly string[] | undefined {
  switch (expression.kind) {
    case "test":
      return expression.keys;
    case "constant":
      return expression.value ? undefined : [];
    case "unknown":
      return whenUnknown ? undefined : [];
    case "not":
      return undefined;
    case "all": {
      // One part that needs keys is enough; the fewer, the better.
      const parts = expression.of.flatMap((part) => {
        const keys = neededKeys(part, whenUnknown);
        return keys === undefined ? [] : [keys];
      });
      return parts.sort((a, b) => a.length - b.length)[0];
    }
    case "any": {
      const parts = expression.of.map((part) => neededKeys(part, whenUnknown));
      if (!parts.every((keys) => keys !== undefined)) return undefined;
      const keys = [...new Set(parts.flat())];
      return keys.length > MAX_KEYS ? undefined : keys;
    }
  }
}
