// SPDX-License-Identifier: Apache-2.0
import type { LabelSelector } from "@ambientmesh/api/kubernetes";
import { kubeErrors } from "../errors.ts";
import { labelKeyProblem, labelValueProblem } from "./label-syntax.ts";

/** Labels as in an object's metadata. */
export type LabelSet = Readonly<Record<string, string>>;

/** How a requirement compares: those of LabelSelector plus the two that only the text form has. */
export type LabelOperator = "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt";

/** One requirement on one key; an object has to meet all of them. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/** A checked selector. The empty one matches everything. */
export type LabelRequirements = readonly LabelRequirement[];

/**
 * The requirements of a LabelSelector object. An absent or empty selector gives no requirements, which match everything.
 * @throws MeshError KUBE_SELECTOR_INVALID naming the key and what is wrong with it.
 */
export function labelRequirements(selector: LabelSelector | undefined): LabelRequirements {
  const byLabels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) =>
    checkedRequirement({ key, operator: "In", values: [value] }),
  );
  const byExpressions = (selector?.matchExpressions ?? []).map(({ key, operator, values }) =>
    checkedRequirement({ key, operator, values: values ?? [] }),
  );
  return [...byLabels, ...byExpressions];
}

/** True if the labels meet every requirement. As in Kubernetes, NotIn also holds when the key is absent. */
export function matchesLabels(requirements: LabelRequirements, labels: LabelSet | undefined): boolean {
  return requirements.every((requirement) => meets(requirement, labels));
}

/**
 * A predicate over labels, for selectors that are used often.
 * @throws MeshError KUBE_SELECTOR_INVALID as {@link labelRequirements}.
 */
export function labelMatcher(selector: LabelSelector | undefined): (labels: LabelSet | undefined) => boolean {
  const requirements = labelRequirements(selector);
  return (labels) => matchesLabels(requirements, labels);
}

/**
 * Checks a requirement against the rules of Kubernetes and gives it back.
 * @throws MeshError KUBE_SELECTOR_INVALID.
 */
export function checkedRequirement(requirement: LabelRequirement): LabelRequirement {
  const problem = requirementProblem(requirement);
  if (problem === undefined) return requirement;
  throw kubeErrors.create("KUBE_SELECTOR_INVALID", `label selector on key "${requirement.key}": ${problem}`, {
    details: { ...requirement },
  });
}

function requirementProblem({ key, operator, values }: LabelRequirement): string | undefined {
  const keyProblem = labelKeyProblem(key);
  if (keyProblem !== undefined) return `the key ${keyProblem}`;
  switch (operator) {
    case "In":
    case "NotIn":
      if (values.length === 0) return `${operator} needs at least one value`;
      break;
    case "Exists":
    case "DoesNotExist":
      return values.length > 0 ? `${operator} takes no values` : undefined;
    case "Gt":
    case "Lt":
      if (values.length !== 1 || !isInteger(values[0] ?? "")) return `${operator} needs one whole number`;
      break;
    default:
      return `the operator "${String(operator)}" is none of In, NotIn, Exists, DoesNotExist`;
  }
  const bad = values.find((value) => labelValueProblem(value) !== undefined);
  return bad === undefined ? undefined : `the value "${bad}" ${labelValueProblem(bad)}`;
}

const isInteger = (text: string): boolean => /^\d{1,18}$/.test(text);

function meets({ key, operator, values }: LabelRequirement, labels: LabelSet | undefined): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
      return value !== undefined && isInteger(value) && BigInt(value) > BigInt(values[0] ?? "0");
    case "Lt":
      return value !== undefined && isInteger(value) && BigInt(value) < BigInt(values[0] ?? "0");
  }
}
