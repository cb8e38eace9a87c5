// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES, kubeErrors, type KubeClient } from "@ambientmesh/kube";

/**
 * What the control plane reads on a pod: "enabled" (others may send HBONE), "pending" (it should be in the mesh but is
 * not yet), or nothing.
 */
export type RedirectionStatus = "enabled" | "pending" | undefined;

/** What the pod says now. */
export function redirectionStatus(pod: Pod): string | undefined {
  return pod.metadata.annotations?.[KEYS.REDIRECTION];
}

/**
 * Makes the pod say it, by a merge patch of its status, as Istio's agent does (no right to write pods is needed). A pod
 * that is gone, or another one of the same name, is left alone.
 * @throws MeshError KUBE_*
 */
export async function writeRedirectionStatus(
  client: KubeClient,
  pod: Pod,
  status: RedirectionStatus,
  signal?: AbortSignal,
): Promise<void> {
  if (redirectionStatus(pod) === status) return;
  const { uid, name, namespace } = pod.metadata;
  const patch = { metadata: { uid, annotations: { [KEYS.REDIRECTION]: status ?? null } } };
  try {
    await client.mergePatch(RESOURCES.Pod, { name, namespace }, patch, {
      subresource: "status",
      ...(signal && { signal }),
    });
  } catch (error) {
    if (!kubeErrors.is(error, "KUBE_NOT_FOUND") && !kubeErrors.is(error, "KUBE_CONFLICT")) throw error;
  }
}
