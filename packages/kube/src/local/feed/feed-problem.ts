// SPDX-License-Identifier: Apache-2.0

/** Something wrong in a folder of YAML; the last good state of the file stays in force. */
export interface FeedProblem {
  /** Path relative to the folder. */
  readonly file: string;
  /** From 1. Absent when the file as a whole is meant. */
  readonly line?: number;
  /** From 1, in characters. */
  readonly column?: number;
  /** Path of the field, as in `spec.rules[0].from`. */
  readonly field?: string;
  /** "AuthorizationPolicy shop/cart", where it is known. */
  readonly object?: string;
  readonly message: string;
}

/** `policies.yaml:12:7: AuthorizationPolicy shop/cart: spec.action: Unsupported value: ...`: one line for people. */
export function formatFeedProblem({ file, line, column, field, object, message }: FeedProblem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return [place, object, field, message].filter((part) => part !== undefined && part !== "").join(": ");
}
