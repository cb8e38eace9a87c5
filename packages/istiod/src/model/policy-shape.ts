// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy } from "@ambientmesh/api/istio";
import { errors } from "../errors.ts";

const ACTIONS: ReadonlySet<unknown> = new Set(["ALLOW", "DENY", "AUDIT", "CUSTOM"]);

/**
 * Checks that a policy has the shape that validation guarantees, as an object that bypassed it may hold anything anywhere.
 * What the values mean is not looked at.
 * @throws MeshError ISTIOD_POLICY_UNREADABLE naming the first field that is wrong.
 */
export function checkPolicyShape({ spec }: AuthorizationPolicy): void {
  const { action, selector, rules, targetRefs, targetRef } = mapping("spec", spec);
  if (action !== undefined && !ACTIONS.has(action)) throw unreadable("spec.action", "is no action");
  const labels = mapping("spec.selector.matchLabels", mapping("spec.selector", selector)["matchLabels"]);
  for (const [key, value] of Object.entries(labels)) text(`spec.selector.matchLabels.${key}`, value);
  mapping("spec.targetRef", targetRef);
  list("spec.targetRefs", targetRefs).forEach((target, at) => mapping(`spec.targetRefs[${at}]`, target));
  list("spec.rules", rules).forEach((rule, at) => checkRule(`spec.rules[${at}]`, rule));
}

function checkRule(path: string, rule: unknown): void {
  const { from, to, when } = mapping(path, rule);
  list(`${path}.from`, from).forEach((item, at) =>
    checkValues(`${path}.from[${at}].source`, mapping(path, item)["source"]),
  );
  list(`${path}.to`, to).forEach((item, at) =>
    checkValues(`${path}.to[${at}].operation`, mapping(path, item)["operation"]),
  );
  list(`${path}.when`, when).forEach((item, at) => {
    const { key, ...values } = mapping(`${path}.when[${at}]`, item);
    text(`${path}.when[${at}].key`, key);
    checkValues(`${path}.when[${at}]`, values);
  });
}

/** Every field is a list of texts. */
function checkValues(path: string, fields: unknown): void {
  for (const [name, values] of Object.entries(mapping(path, fields))) {
    list(`${path}.${name}`, values).forEach((value, at) => text(`${path}.${name}[${at}]`, value));
  }
}

function mapping(path: string, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw unreadable(path, "is no mapping");
}

function list(path: string, value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw unreadable(path, "is no list");
}

function text(path: string, value: unknown): void {
  if (typeof value !== "string") throw unreadable(path, "is no text");
}

function unreadable(path: string, problem: string): Error {
  return errors.create("ISTIOD_POLICY_UNREADABLE", `${path} ${problem}`);
}
