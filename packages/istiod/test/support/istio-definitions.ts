// SPDX-License-Identifier: Apache-2.0
import type { CustomResourceDefinition } from "@ambientmesh/api/kubernetes";

function definition(
  kind: string,
  plural: string,
  group: string,
  scope: "Namespaced" | "Cluster" = "Namespaced",
): CustomResourceDefinition {
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope,
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          // No validation of the spec: these tests show what happens to objects that bypassed it.
          schema: { openAPIV3Schema: { type: "object", properties: { spec: open, status: open } } },
          subresources: { status: {} },
        },
      ],
    },
  };
}

/** Istio's kinds as an API server needs to know them. */
export const ISTIO_DEFINITIONS: readonly CustomResourceDefinition[] = [
  definition("AuthorizationPolicy", "authorizationpolicies", "security.istio.io"),
  definition("PeerAuthentication", "peerauthentications", "security.istio.io"),
  definition("ServiceEntry", "serviceentries", "networking.istio.io"),
  definition("WorkloadEntry", "workloadentries", "networking.istio.io"),
  definition("Gateway", "gateways", "gateway.networking.k8s.io"),
  definition("GatewayClass", "gatewayclasses", "gateway.networking.k8s.io", "Cluster"),
];
