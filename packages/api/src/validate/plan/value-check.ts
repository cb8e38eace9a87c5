// SPDX-License-Identifier: Apache-2.0
import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { FieldRules } from "../../gen/validate/validate_pb.ts";
import { type Fields, type Plan, type Planner, type ValueCheck, applyPlan } from "./plan.ts";
import type { Requirement } from "../rule.ts";
import type { Step } from "../run.ts";
import { showValue } from "../show.ts";
import { valueTests } from "./value-tests.ts";
import { type ValueType, showTyped } from "./value-type.ts";

const UNDECODABLE: Requirement = { name: "any", expected: "must hold a message of its type" };
// The well-known types have no rules, and protobuf-es holds Struct as plain JSON.
const WELL_KNOWN_PACKAGE = "google.protobuf.";

/** Compiles the rules of a value and of the message that it may be; undefined if there are none. */
export function compileValue(type: ValueType, rules: FieldRules | undefined, planner: Planner): ValueCheck | undefined {
  const test = rules && compileTests(type, rules, planner);
  const look = rules?.message?.skip ? undefined : compileContent(type, planner);
  if (!test || !look) return test ?? look;
  return (value, run, step, place) => {
    test(value, run, step, place);
    look(value, run, step, place);
  };
}

function compileTests(type: ValueType, fieldRules: FieldRules, { now }: Planner): ValueCheck | undefined {
  const { rules, ignores } = valueTests(type, fieldRules, now);
  if (rules.length === 0) return undefined;
  return (held, run, step, place) => {
    const value = type.isWrapped ? (held as { readonly value: unknown }).value : held;
    if (ignores?.(value as never)) return;
    for (const rule of rules) {
      if (rule.fails(value as never)) run.report(rule, showTyped(type, value), step, place);
    }
  };
}

function compileContent({ kind, message }: ValueType, planner: Planner): ValueCheck | undefined {
  if (kind === "any") return planner.hasRegistry ? anyCheck(planner) : undefined;
  if (!message || message.typeName.startsWith(WELL_KNOWN_PACKAGE)) return undefined;
  const plan = planner.planOf(message);
  return plan.isComplete && plan.checks.length === 0 ? undefined : messageCheck(plan);
}

function messageCheck(plan: Plan): ValueCheck {
  return (value, run, step, place) => {
    if (!run.enter(step, place)) return;
    applyPlan(plan, value as Fields, run);
    run.leave();
  };
}

/** Looks at the message in an Any if the registry knows its type. */
function anyCheck(planner: Planner): ValueCheck {
  return (any, run, step, place) => {
    const { typeUrl, value } = any as Any;
    const descriptor = planner.lookUp(typeUrl.slice(typeUrl.lastIndexOf("/") + 1));
    if (!descriptor) return;
    const message = decode(descriptor, value);
    if (!message) {
      run.report(UNDECODABLE, showValue(value), step, place);
      return;
    }
    if (!run.enter(step, place)) return;
    const inside: Step = { text: `[${descriptor.typeName}]`, isSensitive: false };
    messageCheck(planner.planOf(descriptor))(message, run, inside, undefined);
    run.leave();
  };
}

function decode(descriptor: DescMessage, bytes: Uint8Array): Fields | undefined {
  try {
    return fromBinary(descriptor, bytes);
  } catch {
    // The violation says all that matters: the bytes are no message of their type.
    return undefined;
  }
}
