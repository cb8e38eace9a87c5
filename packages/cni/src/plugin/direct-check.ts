// SPDX-License-Identifier: Apache-2.0
import type { Namespace, Pod } from "@ambientmesh/api/kubernetes";
import { DEFAULT_SELECTORS, createEligibility } from "../eligibility/eligibility.ts";
import { getObject } from "./api-server.ts";
import type { CniConfig, CniPod } from "./cni-input.ts";
import { readKubeconfig } from "./kubeconfig.ts";

const TIMEOUT_MS = 5000;

/**
 * Asks the API server whether a pod belongs into the mesh, when the agent can't be asked. Loaded only then.
 * @throws MeshError CNI_KUBECONFIG_INVALID, CNI_API_SERVER_FAILED
 */
export async function belongsIntoMesh(config: CniConfig, { namespace, name }: CniPod): Promise<boolean> {
  const access = readKubeconfig(config.kubeconfig);
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const [pod, place] = await Promise.all([
    getObject<Pod>(access, `${path}/pods/${encodeURIComponent(name)}`, signal),
    getObject<Namespace>(access, path, signal),
  ]);
  const selectors = config.enablementSelectors ?? DEFAULT_SELECTORS;
  const isEligible = createEligibility({ selectors, excludedNamespaces: config.excludedNamespaces });
  return isEligible(pod, place).isEligible;
}
