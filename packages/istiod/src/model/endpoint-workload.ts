// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { KEYS } from "@ambientmesh/api";
import type { Endpoint, EndpointSlice } from "@ambientmesh/api/kubernetes";
import { NetworkMode, WorkloadSchema, WorkloadStatus, type Workload } from "@ambientmesh/api/workload";
import { allAddressBytes } from "./ip-address.ts";
import { endpointUid, serviceHostname, serviceResourceName } from "./names.ts";
import { trustDomainOnWire, type MeshFacts } from "./pod-workload.ts";
import type { ServiceView } from "./service-view.ts";
import { endpointServices } from "./workload-ports.ts";

/** Resource name of the Service a slice belongs to; undefined for slices that belong to none or hold host names. */
export function serviceOfSlice({ metadata, addressType }: EndpointSlice, domain: string): string | undefined {
  const { namespace = "", labels } = metadata;
  const name = labels?.[KEYS.SERVICE_NAME];
  if (name === undefined || name === "" || addressType === "FQDN") return undefined;
  return serviceResourceName(namespace, serviceHostname(name, namespace, domain));
}

/**
 * Workloads for the endpoints of a slice that are not pods, one for each address.
 * Nothing is known of them but the address: no identity, no policies, and the address may be shared.
 */
export function endpointWorkloads(
  slice: EndpointSlice,
  mesh: MeshFacts,
  around: { readonly network: string; readonly service: ServiceView },
): Workload[] {
  const services = endpointServices(slice, around.service);
  const workloads = new Map<string, Workload>();
  for (const endpoint of slice.endpoints ?? []) {
    const [first] = endpoint.addresses;
    const addresses = allAddressBytes(endpoint.addresses);
    if (isPod(endpoint) || first === undefined || !addresses || workloads.has(first)) continue;
    workloads.set(
      first,
      create(WorkloadSchema, {
        uid: endpointUid(mesh.clusterId, slice.metadata, first),
        name: slice.metadata.name,
        namespace: slice.metadata.namespace ?? "",
        addresses,
        network: around.network,
        trustDomain: trustDomainOnWire(mesh.trustDomain),
        services,
        status: endpoint.conditions?.ready === false ? WorkloadStatus.UNHEALTHY : WorkloadStatus.HEALTHY,
        clusterId: mesh.clusterId,
        networkMode: NetworkMode.HOST_NETWORK,
      }),
    );
  }
  return [...workloads.values()];
}

/** A pod named by an endpoint. The uid tells it from an earlier pod of the same name. */
export function podReferences(slice: EndpointSlice): string[] {
  return (slice.endpoints ?? []).flatMap(({ targetRef }) => {
    if (targetRef?.kind !== "Pod") return [];
    return [podReference(targetRef.namespace ?? slice.metadata.namespace, targetRef.name, targetRef.uid)];
  });
}

/** How a pod is found by {@link podReferences}. */
export function podReference(namespace = "", name = "", uid = ""): string {
  return `${namespace}/${name}/${uid}`;
}

function isPod({ targetRef }: Endpoint): boolean {
  return targetRef?.kind === "Pod";
}
