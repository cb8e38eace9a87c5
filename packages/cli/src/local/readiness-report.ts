// SPDX-License-Identifier: Apache-2.0
import type { Deployment, Pod } from "@ambientmesh/api/kubernetes";
import { objectKey } from "@ambientmesh/kube";
import { isActive, isReady } from "./controllers/pods-of-owner.ts";

/** What of a mesh is not ready, each with the reason as far as it is known; empty when everything is. */
export function unreadyParts(deployments: readonly Deployment[], pods: readonly Pod[]): readonly string[] {
  const waiting = pods.filter((pod) => isActive(pod) && !isReady(pod)).map((pod) => podText(pod));
  const incomplete = deployments
    .filter((deployment) => !isComplete(deployment))
    .map((deployment) => deploymentText(deployment));
  return [...incomplete, ...waiting];
}

function isComplete({ metadata, spec, status }: Deployment): boolean {
  const isSeen = (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
  return isSeen && (status?.readyReplicas ?? 0) >= (spec.replicas ?? 1);
}

function deploymentText({ metadata, spec, status }: Deployment): string {
  return `Deployment ${objectKey(metadata)}: ${status?.readyReplicas ?? 0} of ${spec.replicas ?? 1} ready`;
}

function podText(pod: Pod): string {
  return `Pod ${objectKey(pod.metadata)}: ${podProblem(pod)}`;
}

/** Why a pod is not ready, in words. */
export function podProblem({ status, spec }: Pod): string {
  for (const { name, state, lastState, restartCount } of status?.containerStatuses ?? []) {
    if (state?.waiting !== undefined) {
      const { reason = "waiting", message } = state.waiting;
      const exit = lastState?.terminated?.exitCode;
      const ended = exit === undefined ? "" : `, ended ${restartCount + 1} time(s), last with exit code ${exit}`;
      return `${name} ${reason}${message === undefined ? "" : `: ${message}`}${ended}`;
    }
    if (state?.running !== undefined) return `${name} runs, but does not serve yet`;
  }
  const scheduled = status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (scheduled?.status === "False") return scheduled.message ?? "no node takes it";
  return spec.nodeName === undefined ? "waits for a node" : "is being started";
}
