// SPDX-License-Identifier: Apache-2.0
import { isJsonObject, jsonText, type Json, type JsonObject } from "../../../json/json.ts";
import { asJson, asObject, type ApiObject } from "../../objects/api-object.ts";
import type { FieldIssue } from "../../schema/field-issue.ts";
import type { KindStrategy } from "../kind.ts";
import { unchanged } from "./immutable.ts";

/** Secrets: stringData, a fixed type, and `immutable`. */
export const secretStrategy: KindStrategy = {
  prepare(object) {
    const { stringData, ...rest } = asJson(object) as JsonObject & { readonly stringData?: Json };
    if (!isJsonObject(stringData)) return object;
    const encoded = Object.entries(stringData).map(([key, value]) => [
      key,
      Buffer.from(jsonText(value)).toString("base64"),
    ]);
    const data = rest["data"];
    return asObject({ ...rest, data: { ...(isJsonObject(data) && data), ...Object.fromEntries(encoded) } });
  },
  validate: (object, before) => [...unchanged(object, before, ["type"]), ...frozenData(object, before)],
};

/** ConfigMaps: `immutable`. */
export const configMapStrategy: KindStrategy = { validate: (object, before) => frozenData(object, before) };

function frozenData(object: ApiObject, before: ApiObject | undefined): readonly FieldIssue[] {
  if (before?.["immutable"] !== true) return [];
  return ["data", "binaryData", "immutable"].flatMap((field) => unchanged(object, before, [field]));
}
