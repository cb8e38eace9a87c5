// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { objectKey } from "@ambientmesh/kube";
import type { ZdsWorkload } from "../zds/zds-messages.ts";
import type { NetnsQuery } from "./netns-finder.ts";
import type { NetnsRecord } from "./netns-records.ts";

/** Set by the kubelet on the copy of a static pod; its value is the uid that the kubelet itself uses for the pod. */
const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

/** A pod that the API server has stored. */
export function uidOf(pod: Pod): string {
  return pod.metadata.uid ?? "";
}

/** The uid that the kubelet gives to control groups and to the container runtime. */
export function kubeletUidOf(pod: Pod): string {
  return pod.metadata.annotations?.[MIRROR_ANNOTATION] ?? uidOf(pod);
}

/** Its containers have ended for good. */
export function isTerminal({ status }: Pod): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}

/** The addresses the API server knows of; none while the pod is being started. */
export function addressesOf({ status }: Pod): readonly string[] {
  const addresses = status?.podIPs?.map(({ ip }) => ip) ?? [];
  return addresses.length === 0 && status?.podIP !== undefined ? [status.podIP] : addresses;
}

/**
 * The addresses that prove a namespace to be the pod's: what the API server knows, which is behind while a sandbox is
 * being replaced, and what the container runtime reported.
 */
export function provingAddresses(pod: Pod, record: NetnsRecord | undefined): readonly string[] {
  return [...new Set([...addressesOf(pod), ...(record?.addresses ?? [])])];
}

/** Who the pod is, for the node proxy. */
export function workloadOf(pod: Pod): ZdsWorkload {
  const { name, namespace = "default" } = pod.metadata;
  return { uid: uidOf(pod), name, namespace, serviceAccount: pod.spec.serviceAccountName ?? "default" };
}

/** How its namespace is looked for. */
export function netnsQueryOf(pod: Pod, addresses: readonly string[]): NetnsQuery {
  return { uid: uidOf(pod), groupUid: kubeletUidOf(pod), pod: objectKey(pod.metadata), addresses };
}
