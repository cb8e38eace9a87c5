// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import type { WorkloadEntrySpec } from "@ambientmesh/api/istio";
import type { ObjectMeta } from "@ambientmesh/api/kubernetes";
import { WorkloadSchema, WorkloadStatus, WorkloadType, type Workload } from "@ambientmesh/api/workload";
import { addressBytes } from "./ip-address.ts";
import { localityOfText } from "./locality.ts";
import { canonicalServiceOf } from "./pod-names.ts";
import { trustDomainOnWire, tunnelOf, type MeshFacts } from "./pod-workload.ts";
import type { ServiceView } from "./service-view.ts";
import { entryServices } from "./workload-ports.ts";

/** What the workload of an entry depends on besides the entry. */
export interface EntryWorkloadSurroundings {
  readonly uid: string;
  /** Network of the cluster, for entries that name none. */
  readonly network: string;
  readonly services: readonly ServiceView[];
  readonly policies: readonly string[];
  readonly waypoint: Pick<Workload, "waypoint">;
}

/** Labels of an entry: those of the object and those of its spec, which come first. */
export function entryLabels(metadata: ObjectMeta, { labels }: WorkloadEntrySpec): Readonly<Record<string, string>> {
  return { ...metadata.labels, ...labels };
}

/**
 * A workload that somebody describes: a WorkloadEntry, or an endpoint in a ServiceEntry. It is taken for healthy.
 * @returns undefined for one that can't be reached over the network: a unix socket, or neither address nor network.
 */
export function entryWorkload(
  metadata: ObjectMeta,
  entry: WorkloadEntrySpec,
  mesh: MeshFacts,
  around: EntryWorkloadSurroundings,
): Workload | undefined {
  const { address = "" } = entry;
  if (address.startsWith("unix://") || (address === "" && !entry.network)) return undefined;
  const bytes = addressBytes(address);
  const labels = entryLabels(metadata, entry);
  const canonical = canonicalServiceOf(labels, metadata.name);
  const locality = localityOfText(entry.locality);
  return create(WorkloadSchema, {
    uid: around.uid,
    name: metadata.name,
    namespace: metadata.namespace ?? "",
    addresses: bytes ? [bytes] : [],
    hostname: bytes ? "" : address,
    network: entry.network || around.network,
    ...tunnelOf({ labels, ...(metadata.annotations && { annotations: metadata.annotations }) }),
    trustDomain: trustDomainOnWire(mesh.trustDomain),
    serviceAccount: entry.serviceAccount ?? "",
    canonicalName: canonical.name,
    canonicalRevision: canonical.revision,
    workloadType: WorkloadType.POD,
    workloadName: metadata.name,
    services: entryServices(entry.ports ?? {}, around.services),
    authorizationPolicies: [...around.policies],
    status: WorkloadStatus.HEALTHY,
    clusterId: mesh.clusterId,
    ...(locality && { locality }),
    ...around.waypoint,
    ...(entry.weight !== undefined && entry.weight > 0 && { capacity: entry.weight }),
  });
}
