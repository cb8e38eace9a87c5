// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { LabelSelector, Namespace, Pod } from "@ambientmesh/api/kubernetes";
import { labelMatcher } from "@ambientmesh/kube/selectors";

/** Pods that join: both selectors have to match; an absent one matches everything. */
export interface EnablementSelector {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
}

/** Who may join the mesh. */
export interface EligibilityRules {
  /** One of them has to match. */
  readonly selectors: readonly EnablementSelector[];
  readonly excludedNamespaces: readonly string[];
}

/** Why a pod does not belong into the mesh. */
export type Ineligibility = "excluded-namespace" | "host-network" | "not-selected" | "sidecar";

export type Eligibility =
  | { readonly isEligible: true }
  | { readonly isEligible: false; readonly reason: Ineligibility };

/** Judges a pod by its own labels and those of its namespace. */
export type EligibilityTest = (pod: Pod, namespace: Namespace) => Eligibility;

/** What holds where nothing else is configured (Istio 1.31): the label on the pod, or on the namespace unless the pod opts out. */
export const DEFAULT_SELECTORS: readonly EnablementSelector[] = [
  { podSelector: { matchLabels: { [KEYS.DATAPLANE_MODE]: "ambient" } } },
  {
    podSelector: { matchExpressions: [{ key: KEYS.DATAPLANE_MODE, operator: "NotIn", values: ["none"] }] },
    namespaceSelector: { matchLabels: { [KEYS.DATAPLANE_MODE]: "ambient" } },
  },
];

/** @throws MeshError KUBE_SELECTOR_INVALID */
export function createEligibility({ selectors, excludedNamespaces }: EligibilityRules): EligibilityTest {
  const matchers = selectors.map(({ podSelector, namespaceSelector }) => ({
    isPod: labelMatcher(podSelector),
    isNamespace: labelMatcher(namespaceSelector),
  }));
  const excluded = new Set(excludedNamespaces);
  const no = (reason: Ineligibility): Eligibility => ({ isEligible: false, reason });
  return (pod, namespace) => {
    const { labels, annotations } = pod.metadata;
    if (pod.spec.hostNetwork === true) return no("host-network");
    if (annotations !== undefined && KEYS.SIDECAR_STATUS in annotations) return no("sidecar");
    if (excluded.has(namespace.metadata.name)) return no("excluded-namespace");
    const isSelected = matchers.some(
      ({ isPod, isNamespace }) => isPod(labels) && isNamespace(namespace.metadata.labels),
    );
    return isSelected ? { isEligible: true } : no("not-selected");
  };
}
