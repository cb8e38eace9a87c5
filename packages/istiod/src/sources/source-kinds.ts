// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { RESOURCES, slimNode, type InformerOptions } from "@ambientmesh/kube";
import type { SourceCollection } from "../collections/collection.ts";
import type { MeshSources } from "../model/mesh-sources.ts";
import { GATEWAY_RESOURCES, ISTIO_RESOURCES } from "./istio-resources.ts";
import { slimEndpointSlice, slimNamespace, slimmestPod } from "./slim-objects.ts";

/** Told of a collection, the kind of its objects, and what of them is kept. */
export type SourceVisitor = <T extends KubernetesObject>(
  source: SourceCollection<T>,
  kind: Pick<InformerOptions<T>, "resource" | "strip" | "isOptional">,
) => void;

/**
 * Names every kind that istiod reads, for what fills the collections. Without those that are optional a mesh has less in it; without
 * policies it would be open, so they have to be readable.
 */
export function forEachSource(sources: MeshSources, visit: SourceVisitor): void {
  visit(sources.namespaces, { resource: RESOURCES.Namespace, strip: slimNamespace });
  visit(sources.nodes, { resource: RESOURCES.Node, strip: slimNode });
  visit(sources.pods, { resource: RESOURCES.Pod, strip: slimmestPod });
  visit(sources.services, { resource: RESOURCES.Service });
  visit(sources.endpointSlices, { resource: RESOURCES.EndpointSlice, strip: slimEndpointSlice });
  visit(sources.authorizationPolicies, { resource: ISTIO_RESOURCES.AuthorizationPolicy });
  visit(sources.peerAuthentications, { resource: ISTIO_RESOURCES.PeerAuthentication });
  visit(sources.serviceEntries, { resource: ISTIO_RESOURCES.ServiceEntry, isOptional: true });
  visit(sources.workloadEntries, { resource: ISTIO_RESOURCES.WorkloadEntry, isOptional: true });
  visit(sources.gateways, { resource: GATEWAY_RESOURCES.Gateway, isOptional: true });
  visit(sources.gatewayClasses, { resource: GATEWAY_RESOURCES.GatewayClass, isOptional: true });
}
