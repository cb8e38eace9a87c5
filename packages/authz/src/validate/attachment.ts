// SPDX-License-Identifier: Apache-2.0
import type { PolicyTargetReference, WorkloadSelector } from "@ambientmesh/api/istio";
import { shown } from "../problem.ts";
import type { Findings } from "./findings.ts";

const MAX_TARGETS = 16;
const GATEWAY_GROUP = "gateway.networking.k8s.io";
const TARGETS: ReadonlyMap<string, string> = new Map([
  ["Service", ""],
  ["ServiceEntry", "networking.istio.io"],
  ["Gateway", GATEWAY_GROUP],
  ["GatewayClass", GATEWAY_GROUP],
]);

/** The parts of a spec that say what it is attached to. */
export interface Attachment {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
}

/** Findings on a selector or target references, which exclude each other. */
export function checkAttachment(spec: Attachment, findings: Findings): void {
  const { selector, targetRef, targetRefs = [] } = spec;
  const given = [selector !== undefined, targetRef !== undefined, targetRefs.length > 0].filter(Boolean).length;
  if (given > 1) findings.error("spec", "only one of selector, targetRef and targetRefs may be set");
  if (targetRefs.length > MAX_TARGETS) {
    findings.error("spec.targetRefs", `has ${targetRefs.length} entries, at most ${MAX_TARGETS} are allowed`);
  }
  if (targetRef) checkTarget(targetRef, "spec.targetRef", findings);
  for (const [at, target] of targetRefs.entries()) checkTarget(target, `spec.targetRefs[${at}]`, findings);
  if (selector) checkSelector(selector, findings);
}

function checkTarget(target: PolicyTargetReference, path: string, findings: Findings): void {
  if (target.name === "") findings.error(`${path}.name`, "is empty");
  if ((target.namespace ?? "") !== "") {
    findings.error(`${path}.namespace`, "must be left out: a policy is attached in its own namespace");
  }
  const group = TARGETS.get(target.kind);
  // The core group is also written as "core".
  const given = target.group === "core" ? "" : (target.group ?? "");
  if (group === undefined) {
    findings.error(`${path}.kind`, `${shown(target.kind)} is none of ${[...TARGETS.keys()].join(", ")}`);
  } else if (given !== group) {
    findings.error(`${path}.group`, `${shown(given)} is not the group of ${target.kind}, which is ${shown(group)}`);
  }
}

function checkSelector(selector: WorkloadSelector, findings: Findings): void {
  const path = "spec.selector.matchLabels";
  const labels = Object.entries(selector.matchLabels ?? {});
  if (labels.length === 0) findings.warning(path, "is empty, so the policy selects every workload in reach");
  for (const [key, value] of labels) {
    if (key === "") findings.error(path, "has an empty key");
    if (key.includes("*") || value.includes("*")) {
      findings.error(`${path}[${key}]`, 'contains "*"; labels are compared as they are');
    }
  }
}
