// SPDX-License-Identifier: Apache-2.0
import { type DescField, ScalarType } from "@bufbuild/protobuf";
import type { FieldRules, MapRules } from "../../gen/validate/validate_pb.ts";
import type { Check, Planner, ValueCheck } from "./plan.ts";
import { type Requirement, type Rule, UnsupportedRule, given } from "../rule.ts";
import { lengthRules } from "../rules/length.ts";
import type { Step } from "../run.ts";
import { UNSET, count, showValue } from "../show.ts";
import { compileValue } from "./value-check.ts";
import { valueTests } from "./value-tests.ts";
import { valueTypeOf } from "./value-type.ts";

const NO_SPARSE: Requirement = { name: "map.no_sparse", expected: "must be set" };

type MapField = DescField & { readonly fieldKind: "map" };
/** Keys of JavaScript's objects are strings, whatever they are in the .proto file. */
type Entries = Readonly<Record<string, unknown>>;

/** Compiles the rules of a map, of its keys and of its values. */
export function compileMap(
  field: MapField,
  rules: FieldRules | undefined,
  step: Step,
  planner: Planner,
): Check | undefined {
  const ofMap = mapRules(rules);
  const tests = ofMap ? countRules(ofMap) : [];
  const checkKey = ofMap?.keys && compileKey(field.mapKey, ofMap.keys, planner);
  const checkValue = compileMapValue(field, ofMap, planner);
  if (tests.length === 0 && !checkKey && !checkValue) return undefined;
  const { localName } = field;
  return (message, run) => {
    const map = message[localName] as Entries;
    const keys = Object.keys(map);
    if (keys.length === 0 && ofMap?.ignoreEmpty) return;
    for (const rule of tests) if (rule.fails(keys)) run.report(rule, count(keys.length, "pair"), step);
    if (!checkKey && !checkValue) return;
    for (const key of keys) {
      if (run.isFull) return;
      checkKey?.(key, run, step, key);
      checkValue?.(map[key], run, step, key);
    }
  };
}

function mapRules(rules: FieldRules | undefined): MapRules | undefined {
  if (rules?.type.case === undefined) return undefined;
  if (rules.type.case !== "map") throw new UnsupportedRule(rules.type.case, "is not for maps");
  return rules.type.value;
}

function countRules(rules: MapRules): Rule<readonly string[]>[] {
  return lengthRules<readonly string[]>(
    { unit: "pair", measure: (keys) => keys.length },
    {
      atLeast: ["map.min_pairs", given(rules, "minPairs")],
      atMost: ["map.max_pairs", given(rules, "maxPairs")],
    },
  );
}

function compileKey(scalar: ScalarType, keyRules: FieldRules, { now }: Planner): ValueCheck {
  const { rules, ignores } = valueTests(valueTypeOf({ scalar }, true), keyRules, now);
  const parse = keyParser(scalar);
  return (text, run, step, place) => {
    const key = parse(text as string) as never;
    if (ignores?.(key)) return;
    for (const { name, expected, fails } of rules) {
      if (fails(key))
        run.report({ name: `map.keys.${name}`, expected: `has a key that ${expected}` }, showValue(key), step, place);
    }
  };
}

function keyParser(scalar: ScalarType): (text: string) => unknown {
  switch (scalar) {
    case ScalarType.STRING:
      return (text) => text;
    case ScalarType.BOOL:
      return (text) => text === "true";
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return BigInt;
    default:
      return Number;
  }
}

function compileMapValue(field: MapField, rules: MapRules | undefined, planner: Planner): ValueCheck | undefined {
  const check = compileValue(valueTypeOf(field, false), rules?.values, planner);
  if (!rules?.noSparse) return check;
  if (field.mapKind !== "message") throw new UnsupportedRule(NO_SPARSE.name, "is not for maps without messages");
  return (value, run, step, place) => {
    if (value === undefined || value === null) run.report(NO_SPARSE, UNSET, step, place);
    else check?.(value, run, step, place);
  };
}
