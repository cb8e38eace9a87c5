// SPDX-License-Identifier: Apache-2.0
import type { AuthorizationPolicy, PeerAuthentication } from "@ambientmesh/api/istio";
import type { Resource } from "@ambientmesh/kube";

/** Istio's kinds that istiod reads. */
export const ISTIO_RESOURCES: {
  readonly AuthorizationPolicy: Resource<AuthorizationPolicy>;
  readonly PeerAuthentication: Resource<PeerAuthentication>;
} = {
  AuthorizationPolicy: {
    apiVersion: "security.istio.io/v1",
    kind: "AuthorizationPolicy",
    plural: "authorizationpolicies",
    isNamespaced: true,
  },
  PeerAuthentication: {
    apiVersion: "security.istio.io/v1",
    kind: "PeerAuthentication",
    plural: "peerauthentications",
    isNamespaced: true,
  },
};
