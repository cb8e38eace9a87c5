// SPDX-License-Identifier: Apache-2.0
import type { DescField } from "@bufbuild/protobuf";
import type { FieldRules, RepeatedRules } from "../../gen/validate/validate_pb.ts";
import type { Check, Planner } from "./plan.ts";
import { type Requirement, type Rule, UnsupportedRule, given } from "../rule.ts";
import { bytesKey } from "../rules/bytes.ts";
import { lengthRules } from "../rules/length.ts";
import { keyOf } from "../rules/number.ts";
import type { Step } from "../run.ts";
import { count } from "../show.ts";
import { compileValue } from "./value-check.ts";
import { type ValueType, showTyped, valueTypeOf } from "./value-type.ts";

const UNIQUE: Requirement = { name: "repeated.unique", expected: "must not occur before in the list" };

type ListField = DescField & { readonly fieldKind: "list" };
type List = readonly unknown[];

/** Compiles the rules of a repeated field and of its items. */
export function compileList(
  field: ListField,
  rules: FieldRules | undefined,
  step: Step,
  planner: Planner,
): Check | undefined {
  const listRules = repeatedRules(rules);
  const type = valueTypeOf(field, false);
  const item = compileValue(type, listRules?.items, planner);
  const tests = listRules ? countRules(listRules) : [];
  const duplicate = listRules?.unique ? duplicateFinder(type) : undefined;
  if (!item && tests.length === 0 && !duplicate) return undefined;
  const { localName } = field;
  return (message, run) => {
    const list = message[localName] as List;
    if (list.length === 0 && listRules?.ignoreEmpty) return;
    for (const rule of tests) if (rule.fails(list)) run.report(rule, count(list.length, "item"), step);
    const again = duplicate?.(list);
    if (again !== undefined) run.report(UNIQUE, showTyped(type, list[again]), step, again);
    if (!item) return;
    for (let at = 0; at < list.length && !run.isFull; at++) item(list[at], run, step, at);
  };
}

function repeatedRules(rules: FieldRules | undefined): RepeatedRules | undefined {
  if (rules?.type.case === undefined) return undefined;
  if (rules.type.case !== "repeated") throw new UnsupportedRule(rules.type.case, "is not for repeated fields");
  return rules.type.value;
}

function countRules(rules: RepeatedRules): Rule<List>[] {
  return lengthRules<List>(
    { unit: "item", measure: (list) => list.length },
    {
      atLeast: ["repeated.min_items", given(rules, "minItems")],
      atMost: ["repeated.max_items", given(rules, "maxItems")],
    },
  );
}

/** Finds the first item that equals an earlier one. */
function duplicateFinder(type: ValueType): (list: List) => number | undefined {
  const key = itemKey(type);
  return (list) => {
    const seen = new Set<unknown>();
    for (const [at, item] of list.entries()) {
      if (seen.size === seen.add(key(item as never)).size) return at;
    }
    return undefined;
  };
}

function itemKey({ kind, message, isWrapped }: ValueType): (item: never) => unknown {
  if (message || isWrapped) throw new UnsupportedRule(UNIQUE.name, "is not for messages");
  if (kind === "bytes") return bytesKey;
  return kind === "string" || kind === "bool" || kind === "enum" ? (item) => item : keyOf(kind);
}
