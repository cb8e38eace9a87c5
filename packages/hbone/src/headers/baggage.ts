// SPDX-License-Identifier: Apache-2.0

/** Kinds of workload as they appear in a key of the header. */
export const WORKLOAD_TYPES = ["deployment", "cronjob", "pod", "job"] as const;
/** One of {@link WORKLOAD_TYPES}. */
export type WorkloadType = (typeof WORKLOAD_TYPES)[number];

/** What one end of a tunnel says about its workload in the header `baggage`. It proves nothing: for labels only. */
export interface Baggage {
  readonly clusterId?: string;
  readonly namespace?: string;
  readonly workloadType?: WorkloadType;
  readonly workloadName?: string;
  readonly canonicalName?: string;
  readonly canonicalRevision?: string;
  readonly region?: string;
  readonly zone?: string;
}

/** Printable, and neither of the two separators: there is no escaping in this grammar. */
const VALUE = /^[!-+\--<>-~]+$/;
const NAME_KEY = /^k8s\.(deployment|cronjob|pod|job)\.name$/;

const FIELDS: ReadonlyMap<string, keyof Baggage> = new Map([
  ["k8s.cluster.name", "clusterId"],
  ["k8s.namespace.name", "namespace"],
  ["service.name", "canonicalName"],
  ["service.version", "canonicalRevision"],
  ["cloud.region", "region"],
  ["cloud.availability_zone", "zone"],
]);

/**
 * The header's value, as ztunnel writes it: fixed order, no blanks, no percent-encoding. What is empty or can't be written
 * (commas, equals signs, blanks, non-ASCII) is left out.
 */
export function formatBaggage(baggage: Baggage): string {
  const { workloadType = "deployment", workloadName } = baggage;
  const pairs: [key: string, value: string | undefined][] = [
    ["k8s.cluster.name", baggage.clusterId],
    ["k8s.namespace.name", baggage.namespace],
    [`k8s.${workloadType}.name`, workloadName],
    ["service.name", baggage.canonicalName],
    ["service.version", baggage.canonicalRevision],
    ["cloud.region", baggage.region],
    ["cloud.availability_zone", baggage.zone],
  ];
  return pairs
    .filter(([, value]) => value !== undefined && VALUE.test(value))
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

/** Reads the header, also when several lines of it were joined with commas: later values win. Never throws. */
export function parseBaggage(header: string | undefined): Baggage {
  const found: Record<string, string> = {};
  for (const pair of (header ?? "").split(",")) {
    // As ztunnel: whatever follows a second equals sign is dropped.
    const [key = "", value = ""] = pair.trim().split("=", 2);
    if (value === "") continue;
    const field = FIELDS.get(key);
    const type = NAME_KEY.exec(key)?.[1];
    if (field !== undefined) found[field] = value;
    else if (type !== undefined) {
      found["workloadType"] = type;
      found["workloadName"] = value;
    }
  }
  return found;
}
