// SPDX-License-Identifier: Apache-2.0

/** What may be said of an error beside its code and message. */
export interface MeshErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** Plain data for logs and programs: object names, fields, limits. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** The same call may succeed later without anything else changing. Default false. */
  readonly retryable?: boolean;
}

const NAME = "MeshError";

/**
 * The one error class of the mesh. Callers branch on {@link MeshError.code}, which is stable;
 * the message says who did what to whom and may change.
 */
export class MeshError extends Error {
  override readonly name: string = NAME;
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;

  constructor(code: string, message: string, options: MeshErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
    this.retryable = options.retryable ?? false;
  }

  /** Plain data, for JSON logs and answers. Causes are reduced to their messages. */
  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      ...(Object.keys(this.details).length > 0 && { details: this.details }),
      ...(this.cause !== undefined && { cause: messageOf(this.cause) }),
    };
  }
}

/** True for a {@link MeshError} of any copy of this package, with the given code if one is given. */
export function isMeshError(value: unknown, code?: string): value is MeshError {
  return (
    value instanceof Error && value.name === NAME && "code" in value && (code === undefined || value.code === code)
  );
}

/** Normalises anything thrown: mesh errors pass, everything else is wrapped under `code`. */
export function toMeshError(value: unknown, code = "INTERNAL"): MeshError {
  return isMeshError(value) ? value : new MeshError(code, messageOf(value), { cause: value });
}

/** The message of anything thrown. */
export function messageOf(value: unknown): string {
  if (value instanceof Error) return value.message === "" ? value.name : value.message;
  return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
}

/** A package's stable error codes with what each means, and a factory that accepts only those. */
export interface ErrorCatalogue<Code extends string> {
  /** Code to the sentence printed in docs/reference/errors.md. */
  readonly codes: Readonly<Record<Code, string>>;
  create(code: Code, message: string, options?: MeshErrorOptions): MeshError;
  is(value: unknown, code?: Code): value is MeshError;
}

/**
 * Declares the error codes of a package.
 *
 * @example
 * const errors = errorCatalogue({ SPIFFE_ID_INVALID: "A SPIFFE id does not follow the grammar." });
 * throw errors.create("SPIFFE_ID_INVALID", `"${text}" has no trust domain`, { details: { text } });
 */
export function errorCatalogue<const Codes extends Record<string, string>>(
  codes: Codes,
): ErrorCatalogue<keyof Codes & string> {
  return {
    codes,
    create: (code, message, options) => new MeshError(code, message, options),
    is: (value, code): value is MeshError =>
      isMeshError(value, code) && (code !== undefined || Object.hasOwn(codes, value.code)),
  };
}

/** Codes that core itself raises. */
export const coreErrors: ErrorCatalogue<"ABORTED" | "CONFIG_INVALID" | "INTERNAL" | "QUEUE_CLOSED" | "TIMEOUT"> =
  errorCatalogue({
    ABORTED: "The caller withdrew the request through its AbortSignal.",
    CONFIG_INVALID: "The environment or the flags of a program hold values it can't use; all of them are listed.",
    INTERNAL: "Something failed that has no code of its own; the cause says what.",
    QUEUE_CLOSED: "A queue was closed while somebody waited for its next item.",
    TIMEOUT: "Something took longer than its limit.",
  });
