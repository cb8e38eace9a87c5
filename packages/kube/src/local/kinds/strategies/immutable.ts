// SPDX-License-Identifier: Apache-2.0
import { jsonAt, jsonEqual } from "../../../json/json.ts";
import { asJson, type ApiObject } from "../../objects/api-object.ts";
import type { FieldIssue, FieldPath } from "../../schema/field-issue.ts";

/** An issue if the field differs from what is stored. */
export function unchanged(object: ApiObject, before: ApiObject | undefined, path: FieldPath): readonly FieldIssue[] {
  if (before === undefined || jsonEqual(jsonAt(asJson(object), ...path), jsonAt(asJson(before), ...path))) return [];
  return [
    { path, reason: "FieldValueInvalid", message: "the field is immutable; delete the object and create it anew" },
  ];
}
