// SPDX-License-Identifier: Apache-2.0
import { messageOf, type Logger } from "@ambientmesh/core";
import { RESOURCES, kubeErrors, type KubeClient, type Resource } from "@ambientmesh/kube";

/** The agent's own pod. */
export interface OwnPod {
  readonly namespace: string;
  /** Undefined where nobody told. */
  readonly name: string | undefined;
}

const DAEMON_SETS: Resource = { apiVersion: "apps/v1", kind: "DaemonSet", plural: "daemonsets", isNamespaced: true };
const TIMEOUT_MS = 3000;

/**
 * Whether an agent that is told to end is being uninstalled: the DaemonSet that owns its pod is gone, or on its way. While
 * that is there (an upgrade, a restart), or can't be told, the plugin stays, so that no pod of the mesh starts without an
 * agent.
 */
export async function isBeingUninstalled(
  client: Pick<KubeClient, "get">,
  { namespace, name }: OwnPod,
  logger: Logger,
): Promise<boolean> {
  if (name === undefined) return false;
  const options = { signal: AbortSignal.timeout(TIMEOUT_MS) };
  try {
    const pod = await client.get(RESOURCES.Pod, { namespace, name }, options);
    const owner = pod.metadata.ownerReferences?.find(({ kind }) => kind === "DaemonSet");
    if (!owner) return false;
    return await isGone(client, { namespace, name: owner.name }, options);
  } catch (error) {
    logger.warn("whether the agent is being uninstalled can't be told, so the CNI plugin stays", {
      error: messageOf(error),
    });
    return false;
  }
}

async function isGone(
  client: Pick<KubeClient, "get">,
  ref: { readonly namespace: string; readonly name: string },
  options: { readonly signal: AbortSignal },
): Promise<boolean> {
  try {
    const { metadata } = await client.get(DAEMON_SETS, ref, options);
    return metadata.deletionTimestamp !== undefined;
  } catch (error) {
    if (kubeErrors.is(error, "KUBE_NOT_FOUND")) return true;
    throw error;
  }
}
