// SPDX-License-Identifier: Apache-2.0

const CODES = {
  API_VALIDATION_FAILED: "A message breaks validation rules of its type; details hold path, rule and value of each.",
  API_VALIDATION_UNSUPPORTED:
    "A message type has a validation rule that can't be evaluated (a rule of the wrong kind for its field, contradictory bounds, a regular expression that is not RE2); no message of the type is judged.",
} as const;

/** The stable codes of this package. */
export type ApiErrorCode = keyof typeof CODES;

/** What may be said of an error beside its code and message. */
export interface ApiErrorOptions {
  readonly cause?: unknown;
  /** Plain data for logs and programs. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/**
 * An error of this package. It has the name and the fields of core's MeshError, whose `isMeshError` accepts it;
 * it is declared here because api imports no other package.
 */
export class ApiError extends Error {
  override readonly name: string = "MeshError";
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
  /** False: the same message breaks the same rules again. */
  readonly retryable: boolean = false;

  constructor(code: ApiErrorCode, message: string, options: ApiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** Plain data, for JSON logs and answers. */
  toJSON(): Record<string, unknown> {
    return { code: this.code, message: this.message, details: this.details };
  }
}

/** Stable codes of everything this package raises. */
export const apiErrors: {
  /** Code to the sentence printed in docs/reference/errors.md. */
  readonly codes: Readonly<Record<ApiErrorCode, string>>;
  create(code: ApiErrorCode, message: string, options?: ApiErrorOptions): ApiError;
  is(value: unknown, code?: ApiErrorCode): value is ApiError;
} = {
  codes: CODES,
  create: (code, message, options) => new ApiError(code, message, options),
  is: (value, code): value is ApiError =>
    value instanceof ApiError && (code === undefined ? Object.hasOwn(CODES, value.code) : value.code === code),
};
