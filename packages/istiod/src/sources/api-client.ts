// SPDX-License-Identifier: Apache-2.0
import { connectKube, kubeTargetOf, type KubeClient } from "@ambientmesh/kube";
import { errors } from "../errors.ts";

/**
 * A client for the API server that a flag or the environment names; it need not be there yet.
 * @throws MeshError ISTIOD_NO_API_SERVER, KUBE_CONFIG_INVALID
 */
export async function openApiClient(
  env: Readonly<Record<string, string | undefined>>,
  options: { readonly kubeconfig: string | undefined; readonly userAgent: string },
): Promise<KubeClient> {
  const target = kubeTargetOf(env, options.kubeconfig);
  if (target) return connectKube(target, {}, { userAgent: options.userAgent });
  throw errors.create("ISTIOD_NO_API_SERVER", "no API server is configured: give --kubeconfig or set KUBECONFIG");
}
