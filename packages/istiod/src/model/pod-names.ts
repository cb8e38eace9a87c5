// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { ObjectMeta, Pod } from "@ambientmesh/api/kubernetes";

/** Jobs of a CronJob end in the time they were scheduled for, in seconds or minutes since 1970. */
const CRON_JOB = /^(?<name>.+)-\d{8,10}$/;

/**
 * The workload a pod belongs to: the Deployment behind its ReplicaSet, the CronJob behind its Job, otherwise its
 * controller, and the pod itself where it has none.
 */
export function workloadNameOf({ metadata }: Pod): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  // As in Istio, only a generated name is taken for the sign of a controller's pod.
  if (!owner || metadata.generateName === undefined || metadata.generateName === "") return metadata.name;
  const labels = metadata.labels ?? {};
  const hash = labels["pod-template-hash"] ?? "";
  if (owner.kind === "ReplicaSet" && hash !== "" && owner.name.endsWith(`-${hash}`)) {
    return owner.name.slice(0, -hash.length - 1);
  }
  if (owner.kind === "ReplicationController" && labels["deploymentconfig"]) return labels["deploymentconfig"];
  if (owner.kind === "Job") return CRON_JOB.exec(owner.name)?.groups?.["name"] ?? owner.name;
  return owner.name;
}

/** The name and revision under which metrics and users know a workload. */
export function canonicalServiceOf(
  labels: ObjectMeta["labels"] = {},
  workloadName: string,
): { readonly name: string; readonly revision: string } {
  return {
    name: labels[KEYS.CANONICAL_NAME] ?? labels["app.kubernetes.io/name"] ?? labels["app"] ?? workloadName,
    revision: labels[KEYS.CANONICAL_REVISION] ?? labels["app.kubernetes.io/version"] ?? labels["version"] ?? "latest",
  };
}
