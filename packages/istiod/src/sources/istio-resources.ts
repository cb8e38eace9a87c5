// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy, PeerAuthentication, ServiceEntry, WorkloadEntry } from "@ambientmesh/api/istio";
import type { Gateway, GatewayClass, KubernetesObject } from "@ambientmesh/api/kubernetes";
import type { Resource } from "@ambientmesh/kube";

function resource<T extends KubernetesObject>(
  apiVersion: T["apiVersion"],
  kind: T["kind"],
  plural: string,
  isNamespaced = true,
): Resource<T> {
  return { apiVersion, kind, plural, isNamespaced };
}

/** Istio's kinds that istiod reads. */
export const ISTIO_RESOURCES: {
  readonly AuthorizationPolicy: Resource<AuthorizationPolicy>;
  readonly PeerAuthentication: Resource<PeerAuthentication>;
  readonly ServiceEntry: Resource<ServiceEntry>;
  readonly WorkloadEntry: Resource<WorkloadEntry>;
} = {
  AuthorizationPolicy: resource("security.istio.io/v1", "AuthorizationPolicy", "authorizationpolicies"),
  PeerAuthentication: resource("security.istio.io/v1", "PeerAuthentication", "peerauthentications"),
  ServiceEntry: resource("networking.istio.io/v1", "ServiceEntry", "serviceentries"),
  WorkloadEntry: resource("networking.istio.io/v1", "WorkloadEntry", "workloadentries"),
};

/** Kinds of the Gateway API that istiod reads. */
export const GATEWAY_RESOURCES: {
  readonly Gateway: Resource<Gateway>;
  readonly GatewayClass: Resource<GatewayClass>;
} = {
  Gateway: resource("gateway.networking.k8s.io/v1", "Gateway", "gateways"),
  GatewayClass: resource("gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses", false),
};
