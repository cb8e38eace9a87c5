// SPDX-License-Identifier: Apache-2.0
import type { DescMessage, MessageShape, Registry } from "@bufbuild/protobuf";
import { type ApiError, apiErrors } from "../errors.ts";
import { applyPlan } from "./plan/plan.ts";
import { createPlanner } from "./plan/planner.ts";
import { Run, type Violation } from "./run.ts";

// protobuf-es decodes no deeper either.
const DEFAULT_MAX_DEPTH = 100;
const DEFAULT_MAX_VIOLATIONS = 100;
/** Violations that the message of an error spells out. */
const SPELLED_OUT = 3;

/** What a validator knows and where it stops. */
export interface ValidatorOptions {
  /** Types of the messages in google.protobuf.Any that are looked into. Without it, and for other types, none are. */
  readonly registry?: Registry;
  /** Milliseconds since 1970, for timestamps. Default: the machine's clock. */
  readonly now?: () => number;
  /** How deep messages are looked at; a deeper one breaks the rule `depth`. An Any counts twice. Default 100. */
  readonly maxDepth?: number;
  /** After how many violations, at least one, the rest of a message is not looked at. Default 100. */
  readonly maxViolations?: number;
}

/** What is wrong with a message. */
export type Validation = { readonly ok: true } | { readonly ok: false; readonly violations: readonly Violation[] };

/** Evaluates the rules of message types. */
export interface Validator {
  /**
   * Checks a message and all messages in it against the rules of their types. The first call for a type compiles its rules.
   *
   * @throws ApiError API_VALIDATION_UNSUPPORTED if the type, or one that it uses, has a rule that can't be evaluated
   */
  validate<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Validation;
}

/**
 * Makes an evaluator of the rules that .proto files state with protoc-gen-validate's option `validate.rules`.
 *
 * @example
 * const validator = createValidator();
 * const result = validator.validate(ClusterSchema, create(ClusterSchema));
 * if (!result.ok) throw validationError(ClusterSchema, result.violations);
 * // envoy.config.cluster.v3.Cluster is not valid: name must have at least 1 character (string.min_len, is "")
 */
export function createValidator(options: ValidatorOptions = {}): Validator {
  const { registry, now = Date.now, maxDepth = DEFAULT_MAX_DEPTH, maxViolations = DEFAULT_MAX_VIOLATIONS } = options;
  const planner = createPlanner({ registry, now });
  return {
    validate(schema, message) {
      const run = new Run(maxDepth, maxViolations);
      applyPlan(planner.planOf(schema), message, run);
      return run.violations.length === 0 ? { ok: true } : { ok: false, violations: run.violations };
    },
  };
}

/**
 * The error for a message that is not valid, with API_VALIDATION_FAILED and all violations in its details.
 *
 * @param name - of the resource, where it has one
 */
export function validationError(schema: DescMessage, violations: readonly Violation[], name?: string): ApiError {
  const spelled = violations
    .slice(0, SPELLED_OUT)
    .map(({ path, rule, value, message }) => `${path} ${message} (${rule}, is ${value})`);
  const more = violations.length > SPELLED_OUT ? [`${violations.length - SPELLED_OUT} more`] : [];
  const what = name === undefined ? schema.typeName : `${schema.typeName} ${JSON.stringify(name)}`;
  return apiErrors.create("API_VALIDATION_FAILED", `${what} is not valid: ${[...spelled, ...more].join("; ")}`, {
    details: { type: schema.typeName, ...(name !== undefined && { name }), violations },
  });
}
