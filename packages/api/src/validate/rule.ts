// SPDX-License-Identifier: Apache-2.0

/** What a rule asks for. */
export interface Requirement {
  /** As in the .proto file: `string.min_len`. */
  readonly name: string;
  /** To be read after a path: "must have at least 1 character". */
  readonly expected: string;
}

/** One test of a value, made once from a rule of its field. */
export interface Rule<T> extends Requirement {
  readonly fails: (value: T) => boolean;
}

/** All tests of a value. Its type is known where they were made: from the field that they are for. */
export interface ValueTests {
  readonly rules: readonly Rule<never>[];
  /** `ignore_empty`: true for a value that is not tested. */
  readonly ignores?: (value: never) => boolean;
}

/** Why a rule can't be evaluated. Becomes API_VALIDATION_UNSUPPORTED where the field is known. */
export class UnsupportedRule extends Error {
  readonly rule: string;

  constructor(rule: string, reason: string) {
    super(reason);
    this.rule = rule;
  }
}

/** A field of a proto2 message if it is set; defaults live on the prototype and are not. */
export function given<R extends object, K extends keyof R>(rules: R, key: K): R[K] | undefined {
  return Object.hasOwn(rules, key) ? rules[key] : undefined;
}
