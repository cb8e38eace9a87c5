// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { DEFAULTS, KEYS } from "@ambientmesh/api";
import type { ObjectMeta, Pod } from "@ambientmesh/api/kubernetes";
import {
  NetworkMode,
  TunnelProtocol,
  WorkloadSchema,
  WorkloadStatus,
  WorkloadType,
  type Workload,
} from "@ambientmesh/api/workload";
import { allAddressBytes } from "./ip-address.ts";
import type { NodeLocality } from "./locality.ts";
import { podUid } from "./names.ts";
import { canonicalServiceOf, workloadNameOf } from "./pod-names.ts";
import type { ServiceView } from "./service-view.ts";
import { podServices } from "./workload-ports.ts";

/** What every workload of a cluster has in common. */
export interface MeshFacts {
  readonly clusterId: string;
  readonly trustDomain: string;
}

/** What a pod's workload depends on besides the pod. */
export interface PodSurroundings {
  readonly network: string;
  readonly locality: NodeLocality | undefined;
  /** Services whose endpoint the pod is. */
  readonly services: readonly ServiceView[];
  /** Names of policies that are attached to it, in the order in which they go out. */
  readonly policies: readonly string[];
  readonly waypoint: Pick<Workload, "waypoint" | "applicationTunnel">;
}

/** The addresses of a pod that may get traffic: it has not ended, and it has any. */
export function livePodAddresses({ status }: Pod): readonly string[] {
  if (status?.phase === "Succeeded" || status?.phase === "Failed") return [];
  const addresses = (status?.podIPs ?? []).map(({ ip }) => ip);
  if (addresses.length > 0) return addresses;
  return status?.podIP ? [status.podIP] : [];
}

/** @returns undefined for a pod that can't get traffic: ended, without address, or with an address that is none. */
export function podWorkload(pod: Pod, mesh: MeshFacts, around: PodSurroundings): Workload | undefined {
  const { metadata, spec } = pod;
  const addresses = allAddressBytes(livePodAddresses(pod));
  if (!addresses || addresses.length === 0) return undefined;
  const workloadName = workloadNameOf(pod);
  const canonical = canonicalServiceOf(metadata.labels, workloadName);
  return create(WorkloadSchema, {
    uid: podUid(mesh.clusterId, metadata),
    name: metadata.name,
    namespace: metadata.namespace ?? "",
    addresses,
    network: around.network,
    ...tunnelOf(metadata),
    trustDomain: trustDomainOnWire(mesh.trustDomain),
    serviceAccount: spec.serviceAccountName ?? "",
    node: spec.nodeName ?? "",
    canonicalName: canonical.name,
    canonicalRevision: canonical.revision,
    workloadType: WorkloadType.POD,
    workloadName,
    services: podServices(pod, around.services),
    authorizationPolicies: [...around.policies],
    status: isHealthy(pod) ? WorkloadStatus.HEALTHY : WorkloadStatus.UNHEALTHY,
    clusterId: mesh.clusterId,
    ...(around.locality && { locality: around.locality }),
    ...around.waypoint,
    networkMode: spec.hostNetwork === true ? NetworkMode.HOST_NETWORK : NetworkMode.STANDARD,
  });
}

/** The default trust domain is left out on the wire. */
export function trustDomainOnWire(trustDomain: string): string {
  return trustDomain === DEFAULTS.TRUST_DOMAIN ? "" : trustDomain;
}

/** Whether something takes HBONE: it says so itself, or the node agent redirects its traffic. */
export function tunnelOf({
  labels,
  annotations,
}: Pick<ObjectMeta, "labels" | "annotations">): Pick<Workload, "tunnelProtocol" | "nativeTunnel"> {
  const nativeTunnel = labels?.[KEYS.TUNNEL] === "http";
  // Only the node agent writes this annotation, after redirection works: enrolment is a fact here, not a wish.
  const isRedirected = annotations?.[KEYS.REDIRECTION] === "enabled";
  return { nativeTunnel, tunnelProtocol: nativeTunnel || isRedirected ? TunnelProtocol.HBONE : TunnelProtocol.NONE };
}

function isHealthy({ metadata, status }: Pod): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  return status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}
