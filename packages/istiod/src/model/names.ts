// SPDX-License-Identifier: Apache-2.0
import type { ObjectRef } from "@ambientmesh/kube";

/** Host name of a Kubernetes Service. */
export function serviceHostname(name: string, namespace: string, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
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

/** Second name of whatever has an address: "network/address", with an empty network "/address". */
export function addressAlias(network: string, address: string): string {
  return `${network}/${address}`;
}

/** Group key of everything on a node: a node proxy gets it without asking. */
export function nodeKey(node: string): string {
  return `node:${node}`;
}
