// SPDX-License-Identifier: Apache-2.0
import { RESOURCES, connectKube, type KubeClient } from "@ambientmesh/kube";
import { DEFAULT_SELECTORS, createEligibility } from "../eligibility/eligibility.ts";
import type { CniConfig, CniPod } from "./cni-input.ts";

const TIMEOUT_MS = 5000;

/**
 * Asks the API server whether a pod belongs into the mesh, when the agent can't be asked. Loaded only then.
 * @throws MeshError KUBE_*
 */
export async function belongsIntoMesh(config: CniConfig, pod: CniPod): Promise<boolean> {
  using client = await connectKube({ kind: "kubeconfig", path: config.kubeconfig }, {}, { userAgent: "istio-cni" });
  return await judge(client, config, pod);
}

async function judge(client: KubeClient, config: CniConfig, { namespace, name }: CniPod): Promise<boolean> {
  const options = { signal: AbortSignal.timeout(TIMEOUT_MS) };
  const [pod, place] = await Promise.all([
    client.get(RESOURCES.Pod, { namespace, name }, options),
    client.get(RESOURCES.Namespace, { name: namespace }, options),
  ]);
  const selectors = config.enablementSelectors ?? DEFAULT_SELECTORS;
  const isEligible = createEligibility({ selectors, excludedNamespaces: config.excludedNamespaces });
  return isEligible(pod, place).isEligible;
}
