// SPDX-License-Identifier: Apache-2.0
import { type DescField, type DescMessage, type Registry, getOption, hasOption } from "@bufbuild/protobuf";
import { apiErrors } from "../../errors.ts";
import { disabled, ignored, required } from "../../gen/validate/validate_pb.ts";
import { compileField } from "./field-check.ts";
import type { Check, Plan, Planner } from "./plan.ts";
import { type Requirement, UnsupportedRule } from "../rule.ts";
import { UNSET } from "../show.ts";

const ONEOF_REQUIRED: Requirement = { name: "oneof.required", expected: "must have one of its fields set" };

/** What plans are made with. */
export interface PlannerOptions {
  readonly registry: Registry | undefined;
  readonly now: () => number;
}

/** Compiles each message type once. */
export function createPlanner({ registry, now }: PlannerOptions): Planner {
  const plans = new Map<DescMessage, Plan>();

  function planOf(descriptor: DescMessage): Plan {
    const known = plans.get(descriptor);
    if (known) return known;
    const plan: Plan = { checks: [], isComplete: false };
    plans.set(descriptor, plan);
    try {
      if (!isDisabled(descriptor)) plan.checks = compileMessage(descriptor, planner);
      plan.isComplete = true;
      return plan;
    } catch (error) {
      // Other plans may hold the one that failed.
      plans.clear();
      throw error;
    }
  }

  const planner: Planner = {
    planOf,
    lookUp: (typeName) => registry?.getMessage(typeName),
    hasRegistry: registry !== undefined,
    now,
  };
  return planner;
}

function isDisabled(descriptor: DescMessage): boolean {
  return [disabled, ignored].some((option) => hasOption(descriptor, option) && getOption(descriptor, option));
}

function compileMessage(descriptor: DescMessage, planner: Planner): Check[] {
  const fields = descriptor.fields.map((field) => compileNamed(field, planner));
  return [...fields, ...oneofChecks(descriptor)].filter((check) => check !== undefined);
}

function compileNamed(field: DescField, planner: Planner): Check | undefined {
  try {
    return compileField(field, planner);
  } catch (error) {
    if (!(error instanceof UnsupportedRule)) throw error;
    const { rule, message: reason } = error;
    const name = `${field.parent.typeName}.${field.name}`;
    throw apiErrors.create("API_VALIDATION_UNSUPPORTED", `${name}: its rule ${rule} ${reason}`, {
      details: { field: name, rule, reason },
    });
  }
}

function oneofChecks({ oneofs }: DescMessage): Check[] {
  return oneofs
    .filter((oneof) => hasOption(oneof, required) && getOption(oneof, required))
    .map(({ name, localName }) => {
      const step = { text: `.${name}`, isSensitive: false };
      return (message, run) => {
        const { case: chosen } = message[localName] as { readonly case: string | undefined };
        if (chosen === undefined) run.report(ONEOF_REQUIRED, UNSET, step);
      };
    });
}
