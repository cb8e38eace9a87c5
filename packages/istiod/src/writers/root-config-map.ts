// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS } from "@ambientmesh/api";
import type { ConfigMap, Namespace } from "@ambientmesh/api/kubernetes";

/** Owner of the ConfigMap's fields in server-side apply. */
export const ROOT_FIELD_MANAGER = "istiod-root-certificate";

/** Namespaces without pods of users (Istio 1.31). */
const EXCLUDED: ReadonlySet<string> = new Set(["kube-public", "kube-node-lease", "local-path-storage"]);
const LABEL = "istio.io/config";

/** True for namespaces whose pods need the root: nothing can be made in one that is being deleted. */
export function wantsRoot({ metadata, status }: Namespace): boolean {
  return !EXCLUDED.has(metadata.name) && metadata.deletionTimestamp === undefined && status?.phase !== "Terminating";
}

/** The ConfigMap through which pods of a namespace know whom to trust. */
export function rootConfigMap(
  place: { readonly namespace: string; readonly name: string },
  rootsPem: string,
): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { ...place, labels: { [LABEL]: "true" } },
    data: { [DEFAULTS.ROOT_CERT_KEY]: rootsPem },
  };
}

/** True if nothing of ours is missing or different; what others have added is theirs. */
export function isRootCurrent(present: ConfigMap | undefined, rootsPem: string): boolean {
  return present?.data?.[DEFAULTS.ROOT_CERT_KEY] === rootsPem && present.metadata.labels?.[LABEL] === "true";
}
