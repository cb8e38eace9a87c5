// SPDX-License-Identifier: Apache-2.0
import type { Workload, WorkloadType } from "../state/model.ts";

/** What one side of a tunnel says of its workload in the `baggage` header. For labels only: nobody is trusted by it. */
export interface Baggage {
  readonly clusterId?: string;
  readonly namespace?: string;
  readonly workloadName?: string;
  readonly workloadType?: WorkloadType;
  readonly canonicalName?: string;
  readonly canonicalRevision?: string;
  readonly region?: string;
  readonly zone?: string;
}

const TYPES: readonly string[] = ["deployment", "cronjob", "pod", "job"] satisfies readonly WorkloadType[];
const WORKLOAD_KEY = /^k8s\.([a-z]+)\.name$/;
/** Longer headers are not read on: labels have to stay small. */
const MAX_LENGTH = 4096;

/** The header for a workload, in ztunnel's order; empty values are left out, nothing is escaped. */
export function formatBaggage(workload: Workload): string {
  const entries = [
    ["k8s.cluster.name", workload.clusterId],
    ["k8s.namespace.name", workload.namespace],
    [`k8s.${workload.workloadType}.name`, workload.workloadName],
    ["service.name", workload.canonicalName],
    ["service.version", workload.canonicalRevision],
    ["cloud.region", workload.locality.region],
    ["cloud.availability_zone", workload.locality.zone],
  ];
  return entries
    .filter(([, value]) => value !== "")
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** Reads one or several header values; what is not understood is passed over, a later value wins. Never throws. */
export function parseBaggage(...values: readonly string[]): Baggage {
  const baggage: { -readonly [Key in keyof Baggage]: Baggage[Key] } = {};
  for (const entry of values.join(",").slice(0, MAX_LENGTH).split(",")) {
    const [key = "", value = ""] = entry.split("=").map((part) => part.trim());
    if (value !== "") assign(baggage, key, value);
  }
  return baggage;
}

function assign(baggage: { -readonly [Key in keyof Baggage]: Baggage[Key] }, key: string, value: string): void {
  switch (key) {
    case "k8s.cluster.name":
      baggage.clusterId = value;
      return;
    case "k8s.namespace.name":
      baggage.namespace = value;
      return;
    case "service.name":
      baggage.canonicalName = value;
      return;
    case "service.version":
      baggage.canonicalRevision = value;
      return;
    case "cloud.region":
      baggage.region = value;
      return;
    case "cloud.availability_zone":
      baggage.zone = value;
      return;
    default: {
      const type = WORKLOAD_KEY.exec(key)?.[1];
      if (type === undefined || !TYPES.includes(type)) return;
      baggage.workloadName = value;
      baggage.workloadType = type as WorkloadType;
    }
  }
}
