// SPDX-License-Identifier: Apache-2.0
import type { Node, Pod, Taint, Toleration } from "@ambientmesh/api/kubernetes";

/** Where a pod goes, or why it can't go anywhere, in words as Kubernetes' scheduler uses. */
export type Placement = { readonly node: string } | { readonly problem: string };

/**
 * Chooses a node: one that the pod selects and tolerates, first by the fewest pods of the same owner, then by the fewest
 * pods, then by name.
 */
export function placePod(pod: Pod, nodes: readonly Node[], pods: readonly Pod[]): Placement {
  const refusals = new Map<string, number>();
  const fitting = nodes.filter((node) => {
    const refusal = refusalOf(pod, node);
    if (refusal !== undefined) refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
    return refusal === undefined;
  });
  const running = pods.filter(isRunning);
  const owner = ownerOf(pod);
  const load = (node: Node): readonly [number, number, string] => {
    const here = running.filter(({ spec }) => spec.nodeName === node.metadata.name);
    const related = owner === undefined ? [] : here.filter((other) => ownerOf(other) === owner);
    return [related.length, here.length, node.metadata.name];
  };
  const [best] = fitting.map(load).toSorted(compareLoad);
  if (best !== undefined) return { node: best[2] };
  const reasons = [...refusals].map(([reason, count]) => `${count} node(s) ${reason}`);
  return { problem: `0/${nodes.length} nodes are available: ${reasons.join(", ") || "there are no nodes"}` };
}

function compareLoad(a: readonly [number, number, string], b: readonly [number, number, string]): number {
  return a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1);
}

function refusalOf({ spec }: Pod, { metadata, spec: nodeSpec }: Node): string | undefined {
  const { nodeSelector = {}, tolerations = [] } = spec;
  const isSelected = Object.entries(nodeSelector).every(([key, value]) => metadata.labels?.[key] === value);
  if (!isSelected) return "didn't match the pod's node selector";
  if (nodeSpec?.unschedulable === true) return "were unschedulable";
  const taint = nodeSpec?.taints?.find(
    ({ effect, ...rest }) =>
      effect !== "PreferNoSchedule" && !tolerations.some((toleration) => tolerates(toleration, { effect, ...rest })),
  );
  return taint && `had the taint {${taint.key}: ${taint.value ?? ""}}, that the pod didn't tolerate`;
}

function tolerates({ key, operator = "Equal", value = "", effect }: Toleration, taint: Taint): boolean {
  const isForEffect = effect === undefined || effect === taint.effect;
  const isForKey = key === undefined ? operator === "Exists" : key === taint.key;
  return isForEffect && isForKey && (operator === "Exists" || value === (taint.value ?? ""));
}

function isRunning({ status }: Pod): boolean {
  return status?.phase !== "Succeeded" && status?.phase !== "Failed";
}

function ownerOf({ metadata }: Pod): string | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)?.uid;
}
