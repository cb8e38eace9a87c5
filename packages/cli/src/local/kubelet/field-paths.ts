// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";

/** What is known of a pod on its node. */
export interface PodFacts {
  readonly pod: Pod;
  readonly podIp: string;
  readonly hostIp: string;
}

const FIELDS: Readonly<Record<string, (facts: PodFacts) => string>> = {
  "metadata.name": ({ pod }) => pod.metadata.name,
  "metadata.namespace": ({ pod }) => pod.metadata.namespace ?? "",
  "metadata.uid": ({ pod }) => pod.metadata.uid ?? "",
  "spec.nodeName": ({ pod }) => pod.spec.nodeName ?? "",
  "spec.serviceAccountName": ({ pod }) => pod.spec.serviceAccountName ?? "",
  "status.podIP": ({ podIp }) => podIp,
  "status.podIPs": ({ podIp }) => podIp,
  "status.hostIP": ({ hostIp }) => hostIp,
  "status.hostIPs": ({ hostIp }) => hostIp,
};

const ENTRY = /^metadata\.(?<map>labels|annotations)\['(?<key>[^']+)'\]$/;

/** True for the paths that fieldRef may name. */
export function isFieldPath(path: string): boolean {
  return Object.hasOwn(FIELDS, path) || ENTRY.test(path);
}

/** The value at a path of fieldRef; empty where the pod has none, or for a path that {@link isFieldPath} refuses. */
export function fieldValue(path: string, facts: PodFacts): string {
  const read = Object.hasOwn(FIELDS, path) ? FIELDS[path] : undefined;
  if (read !== undefined) return read(facts);
  const { map, key = "" } = ENTRY.exec(path)?.groups ?? {};
  const { labels, annotations } = facts.pod.metadata;
  return (map === "labels" ? labels?.[key] : annotations?.[key]) ?? "";
}
