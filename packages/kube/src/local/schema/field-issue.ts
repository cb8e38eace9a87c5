// SPDX-License-Identifier: Apache-2.0
import type { FieldCause } from "../../errors.ts";

/** The way from an object's root to a field: keys and list indexes. */
export type FieldPath = readonly (string | number)[];

/** Kubernetes' names for what can be wrong with a field. */
export type FieldIssueReason =
  | "FieldValueRequired"
  | "FieldValueInvalid"
  | "FieldValueTypeInvalid"
  | "FieldValueNotSupported"
  | "FieldValueDuplicate"
  | "FieldValueForbidden"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueUnknown";

/** Something wrong with one field of an object. */
export interface FieldIssue {
  readonly path: FieldPath;
  readonly reason: FieldIssueReason;
  /** What is wrong, without the path. */
  readonly message: string;
}

/** An issue in one line of code. */
export function fieldIssue(path: FieldPath, reason: FieldIssueReason, message: string): FieldIssue {
  return { path, reason, message };
}

/** `spec.ports[0].port`; keys that are no identifiers stand in brackets, as in `metadata.labels[a/b]`. */
export function formatFieldPath(path: FieldPath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number" || !/^[A-Za-z_$][\w$-]*$/.test(step)) text += `[${step}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

const TITLES: Readonly<Record<FieldIssueReason, string>> = {
  FieldValueRequired: "Required value",
  FieldValueInvalid: "Invalid value",
  FieldValueTypeInvalid: "Invalid type",
  FieldValueNotSupported: "Unsupported value",
  FieldValueDuplicate: "Duplicate value",
  FieldValueForbidden: "Forbidden",
  FieldValueTooLong: "Too long",
  FieldValueTooMany: "Too many",
  FieldValueUnknown: "Unknown field",
};

/** The issue as the API puts it into a Status. */
export function causeOf({ path, reason, message }: FieldIssue): FieldCause {
  return { field: formatFieldPath(path), reason, message: `${TITLES[reason]}: ${message}` };
}
