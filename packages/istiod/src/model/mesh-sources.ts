// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy, PeerAuthentication, ServiceEntry, WorkloadEntry } from "@ambientmesh/api/istio";
import type { EndpointSlice, Gateway, GatewayClass, Namespace, Node, Pod, Service } from "@ambientmesh/api/kubernetes";
import type { SourceCollection } from "../collections/collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";

/** Objects as the API server has them, keyed by "namespace/name" or name. */
export interface MeshSources {
  readonly namespaces: SourceCollection<Namespace>;
  readonly nodes: SourceCollection<Node>;
  readonly pods: SourceCollection<Pod>;
  readonly services: SourceCollection<Service>;
  readonly endpointSlices: SourceCollection<EndpointSlice>;
  readonly authorizationPolicies: SourceCollection<AuthorizationPolicy>;
  readonly peerAuthentications: SourceCollection<PeerAuthentication>;
  readonly serviceEntries: SourceCollection<ServiceEntry>;
  readonly workloadEntries: SourceCollection<WorkloadEntry>;
  readonly gateways: SourceCollection<Gateway>;
  readonly gatewayClasses: SourceCollection<GatewayClass>;
  /** One item that is always there, for what exists once in a mesh. */
  readonly mesh: SourceCollection<string>;
}

export function createMeshSources(graph: CollectionGraph): MeshSources {
  const mesh = graph.source<string>("mesh");
  mesh.set("mesh", "mesh");
  return {
    mesh,
    namespaces: graph.source("namespaces"),
    nodes: graph.source("nodes"),
    pods: graph.source("pods"),
    services: graph.source("services"),
    endpointSlices: graph.source("endpointslices"),
    authorizationPolicies: graph.source("authorizationpolicies"),
    peerAuthentications: graph.source("peerauthentications"),
    serviceEntries: graph.source("serviceentries"),
    workloadEntries: graph.source("workloadentries"),
    gateways: graph.source("gateways"),
    gatewayClasses: graph.source("gatewayclasses"),
  };
}
