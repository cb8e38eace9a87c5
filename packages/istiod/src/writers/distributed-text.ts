// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS } from "@ambientmesh/api";
import { CRL_FILE } from "@ambientmesh/ca";
import type { ConfigMap, Namespace } from "@ambientmesh/api/kubernetes";

/** Namespaces without pods of users (Istio 1.31). */
const EXCLUDED: ReadonlySet<string> = new Set(["kube-public", "kube-node-lease", "local-path-storage"]);
const LABEL = "istio.io/config";

/** A text that every namespace gets. */
export interface DistributedText {
  /** Of the ConfigMap. */
  readonly name: string;
  /** In the ConfigMap. */
  readonly key: string;
  /** Owner of the ConfigMap's fields in server-side apply. */
  readonly fieldManager: string;
}

/** The certificates by which pods know whom to trust. */
export function rootsText(name: string): DistributedText {
  return { name, key: DEFAULTS.ROOT_CERT_KEY, fieldManager: "istiod-root-certificate" };
}

/** The list of certificates that are not to be trusted any more. */
export function revocationsText(name: string): DistributedText {
  return { name, key: CRL_FILE, fieldManager: "istiod-revocation-list" };
}

/** True for namespaces whose pods need the root: nothing can be made in one that is being deleted. */
export function wantsRoot({ metadata, status }: Namespace): boolean {
  return !EXCLUDED.has(metadata.name) && metadata.deletionTimestamp === undefined && status?.phase !== "Terminating";
}

/** The ConfigMap that carries a text into a namespace. */
export function textConfigMap(namespace: string, { name, key }: DistributedText, text: string): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { namespace, name, labels: { [LABEL]: "true" } },
    data: { [key]: text },
  };
}

/** True if nothing of ours is missing or different; what others have added is theirs. */
export function isTextCurrent(present: ConfigMap | undefined, { key }: DistributedText, text: string): boolean {
  return present?.data?.[key] === text && present.metadata.labels?.[LABEL] === "true";
}
