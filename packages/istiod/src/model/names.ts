// SPDX-License-Identifier: Apache-2.0
import type { ObjectRef } from "@ambientmesh/kube";

/** Host name of a Kubernetes Service. */
export function serviceHostname(name: string, namespace: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
}

/** The reverse of {@link serviceHostname}; undefined for other host names. */
export function namespaceOfHostname(hostname: string, domain: string): string | undefined {
  const suffix = `.svc.${domain}`;
  if (!hostname.endsWith(suffix)) return undefined;
  const [name, namespace, more] = hostname.slice(0, -suffix.length).split(".");
  return name === "" || namespace === "" || more !== undefined ? undefined : namespace;
}

/** Resource name of a service (Istio 1.31 workload API): "namespace/hostname". */
export function serviceResourceName(namespace: string, hostname: string): string {
  return `${namespace}/${hostname}`;
}

/** Resource name of a pod's workload: cluster, (empty) API group, kind, namespace, name. */
export function podUid(cluster: string, { namespace = "", name }: ObjectRef): string {
  return `${cluster}//Pod/${namespace}/${name}`;
}

/** Resource name of the workload that stands for an endpoint without a pod. */
export function endpointUid(cluster: string, { namespace = "", name }: ObjectRef, address: string): string {
  return `${cluster}/discovery.k8s.io/EndpointSlice/${namespace}/${name}/${address}`;
}

/** Resource name of a WorkloadEntry's workload. */
export function workloadEntryUid(cluster: string, { namespace = "", name }: ObjectRef): string {
  return `${cluster}/networking.istio.io/WorkloadEntry/${namespace}/${name}`;
}

/** Resource name of an inline endpoint of a ServiceEntry, or of the host where it has none. */
export function serviceEntryUid(cluster: string, { namespace = "", name }: ObjectRef, address: string): string {
  return `${cluster}/networking.istio.io/ServiceEntry/${namespace}/${name}/${address}`;
}

/** Second name of whatever has an address: "network/address", with an empty network "/address"; of a range with its length. */
export function addressAlias(network: string, address: string, length?: number): string {
  return length === undefined ? `${network}/${address}` : `${network}/${address}/${length}`;
}

/** Group key of everything on a node: a node proxy gets it without asking. */
export function nodeKey(node: string): string {
  return `node:${node}`;
}
