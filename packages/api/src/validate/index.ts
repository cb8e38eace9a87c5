// SPDX-License-Identifier: Apache-2.0
/** Validation rules of .proto files (protoc-gen-validate's `validate.rules`), evaluated at run time. */
export {
  createValidator,
  validationError,
  type Validation,
  type Validator,
  type ValidatorOptions,
} from "./validator.ts";
export type { Violation } from "./run.ts";
export { compileFullMatch } from "./full-match.ts";
