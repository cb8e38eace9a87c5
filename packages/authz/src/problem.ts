// SPDX-License-Identifier: Apache-2.0
import { authzErrors } from "./errors.ts";

/** Something in a policy that can't be understood or enforced. */
export interface Problem {
  /** Where, from the root of the object or message: `spec.rules[0].to[1].operation.ports[0]`. */
  readonly path: string;
  /** What is wrong and what would be right. */
  readonly message: string;
}

/** A value that could be read, or what is wrong with it. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function unreadable(message: string): { readonly ok: false; readonly message: string } {
  return { ok: false, message };
}

/** `text` in quotes for a message, cut to a length people read. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text);
}

/** So many problems are spelt out; a message with more entries than that is not read by people. */
const MAX_SHOWN = 10;

/** The error for a policy with problems: the reason of a NACK, or of a refused object. */
export function policyNotUnderstood(policy: string, problems: readonly Problem[]): Error {
  const texts = problems.slice(0, MAX_SHOWN).map(({ path, message }) => `${path}: ${message}`);
  if (problems.length > MAX_SHOWN) texts.push(`and ${problems.length - MAX_SHOWN} more`);
  return authzErrors.create(
    "AUTHZ_POLICY_NOT_UNDERSTOOD",
    `policy ${policy} can't be understood: ${texts.join("; ")}`,
    {
      details: { policy, problems: problems.slice(0, MAX_SHOWN) },
    },
  );
}
