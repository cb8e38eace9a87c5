// SPDX-License-Identifier: Apache-2.0
import type { WorkloadSelector } from "@ambientmesh/api/istio";
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import type { PolicyScope } from "../engine/policy.ts";

/** A workload as selectors see it. */
export interface SelectableWorkload {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The namespace of a policy; objects without one are in "default", as kubectl would put them. */
export function namespaceOf(object: KubernetesObject): string {
  return object.metadata.namespace ?? "default";
}

/** Whom a policy without target reference is about; an empty selector is a selector too. */
export function scopeOf(namespace: string, selector: WorkloadSelector | undefined, rootNamespace: string): PolicyScope {
  if (selector !== undefined) return "named";
  return namespace === rootNamespace ? "global" : "namespace";
}

/** True if all labels of the selector are on the workload. */
export function hasLabels(selector: WorkloadSelector, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector.matchLabels ?? {}).every(
    ([key, value]) => Object.hasOwn(labels, key) && labels[key] === value,
  );
}
