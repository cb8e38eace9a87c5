// SPDX-License-Identifier: Apache-2.0
import { type DescField, getOption, hasOption } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { sensitive } from "../../gen/udpa/annotations/sensitive_pb.ts";
import { type FieldRules, rules as rulesOption } from "../../gen/validate/validate_pb.ts";
import { compileList } from "./list-check.ts";
import { compileMap } from "./map-check.ts";
import type { Check, Fields, Planner } from "./plan.ts";
import { type Requirement, UnsupportedRule } from "../rule.ts";
import type { Step } from "../run.ts";
import { UNSET } from "../show.ts";
import { compileValue } from "./value-check.ts";
import { valueTypeOf } from "./value-type.ts";

/**
 * Compiles the rules of a field; undefined if neither it nor the messages in it have any.
 *
 * @throws UnsupportedRule
 */
export function compileField(field: DescField, planner: Planner): Check | undefined {
  const rules = hasOption(field, rulesOption) ? getOption(field, rulesOption) : undefined;
  if (rules?.message && field.fieldKind !== "message") {
    throw new UnsupportedRule("message", "is not for fields that hold no single message");
  }
  const step: Step = { text: `.${field.name}`, isSensitive: isSensitive(field) };
  if (field.fieldKind === "list") return compileList(field, rules, step, planner);
  if (field.fieldKind === "map") return compileMap(field, rules, step, planner);

  const requirement = requirementOf(field, rules);
  const check = compileValue(valueTypeOf(field, !field.oneof), rules, planner);
  if (!requirement && !check) return undefined;
  const read = readerOf(field);
  return (message, run) => {
    const value = read(message);
    if (value !== undefined) check?.(value, run, step, undefined);
    else if (requirement) run.report(requirement, UNSET, step);
  };
}

function isSensitive(field: DescField): boolean {
  return field.proto.options?.debugRedact === true || (hasOption(field, sensitive) && getOption(field, sensitive));
}

/** Which rule asks for a value. In a oneof none does: there another field may be chosen. */
function requirementOf(field: DescField, rules: FieldRules | undefined): Requirement | undefined {
  const requiredBy = (rule: string): Requirement => ({ name: `${rule}.required`, expected: "must be set" });
  if (field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED) return requiredBy("field");
  if (field.oneof || !rules) return undefined;
  if (rules.message?.required) return requiredBy("message");
  const { type } = rules;
  const hasRequired = type.case === "any" || type.case === "duration" || type.case === "timestamp";
  return hasRequired && type.value.required ? requiredBy(type.case) : undefined;
}

/** Reads a singular field; undefined where it has presence and is not set. */
function readerOf({ localName, oneof, presence, fieldKind }: DescField): (message: Fields) => unknown {
  if (oneof) {
    const group = oneof.localName;
    return (message) => {
      const chosen = message[group] as { readonly case: string | undefined; readonly value?: unknown };
      return chosen.case === localName ? chosen.value : undefined;
    };
  }
  if (fieldKind === "message" || presence === FeatureSet_FieldPresence.IMPLICIT) return (message) => message[localName];
  // The prototypes of proto2 messages hold the defaults of what is not set.
  return (message) => (Object.hasOwn(message, localName) ? message[localName] : undefined);
}
