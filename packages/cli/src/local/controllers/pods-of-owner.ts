// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import type { KubernetesObject, OwnerReference, Pod, PodTemplate } from "@ambientmesh/api/kubernetes";

/** Label by which the pods of one template are known. */
export const HASH_LABEL = "pod-template-hash";

/** Kubernetes' alphabet for generated names: nothing that reads like a word, nothing that looks like something else. */
const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const HASH_LENGTH = 10;

/** A short name for a template: the same for equal templates, whatever the order of their fields. */
export function templateHash(template: PodTemplate): string {
  const digest = createHash("sha256")
    .update(JSON.stringify(sorted(template)))
    .digest();
  return [...digest.subarray(0, HASH_LENGTH)].map((byte) => ALPHABET.charAt(byte % ALPHABET.length)).join("");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}

/** The reference to a controlling owner, for `metadata.ownerReferences`. */
export function controlledBy({ apiVersion, kind, metadata: { name, uid = "" } }: KubernetesObject): OwnerReference {
  return { apiVersion, kind, name, uid, controller: true };
}

/** True if the object is controlled by the owner with this uid. */
export function isOwnedBy({ metadata }: KubernetesObject, uid: string | undefined): boolean {
  return metadata.ownerReferences?.some((reference) => reference.controller === true && reference.uid === uid) ?? false;
}

export function isReady({ status, metadata }: Pod): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  return ready?.status === "True" && metadata.deletionTimestamp === undefined;
}

/** True while the pod counts towards the number of replicas. */
export function isActive({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && status?.phase !== "Succeeded" && status?.phase !== "Failed";
}

/** The pods that can best be done without come first: without a node, not ready, on a fuller node, younger. */
export function expendableFirst(pods: readonly Pod[]): readonly Pod[] {
  const perNode = new Map<string, number>();
  for (const { spec } of pods) perNode.set(spec.nodeName ?? "", (perNode.get(spec.nodeName ?? "") ?? 0) + 1);
  const rank = (pod: Pod): readonly number[] => [
    pod.spec.nodeName === undefined ? 0 : 1,
    isReady(pod) ? 1 : 0,
    -(perNode.get(pod.spec.nodeName ?? "") ?? 0),
    -Date.parse(pod.metadata.creationTimestamp ?? ""),
  ];
  return pods.toSorted((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    return left.map((value, index) => value - (right[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
  });
}
