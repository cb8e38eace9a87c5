// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { KEYS } from "@ambientmesh/api";
import type { Service as KubernetesService } from "@ambientmesh/api/kubernetes";
import {
  LoadBalancingSchema,
  LoadBalancing_HealthPolicy as HealthPolicy,
  LoadBalancing_Mode as Mode,
  LoadBalancing_Scope as Scope,
  type LoadBalancing,
} from "@ambientmesh/api/workload";

const PREFERENCES: ReadonlyMap<string, readonly Scope[]> = new Map([
  ["preferclose", [Scope.NETWORK, Scope.REGION, Scope.ZONE]],
  ["prefersamezone", [Scope.NETWORK, Scope.REGION, Scope.ZONE]],
  ["prefersamenode", [Scope.NETWORK, Scope.REGION, Scope.ZONE, Scope.SUBZONE, Scope.NODE]],
]);

/** The wish for near endpoints that a namespace's or service's annotation expresses. */
export function trafficDistributionOf(annotations: Readonly<Record<string, string>> | undefined): string | undefined {
  return annotations?.[KEYS.TRAFFIC_DISTRIBUTION];
}

/** Near endpoints first, as far as a traffic distribution asks for it. */
export function preferenceOf(distribution: string): readonly Scope[] | undefined {
  return PREFERENCES.get(distribution.toLowerCase());
}

/**
 * How clients pick an endpoint of a Kubernetes Service. What is local by `internalTrafficPolicy` stays local; otherwise
 * the field, the service's annotation and the namespace's annotation count in this order.
 */
export function loadBalancingOf(
  { metadata, spec }: KubernetesService,
  namespaceDistribution: string | undefined,
): LoadBalancing | undefined {
  const distribution =
    spec.trafficDistribution ?? trafficDistributionOf(metadata.annotations) ?? namespaceDistribution ?? "";
  const preference = preferenceOf(distribution);
  const healthPolicy = spec.publishNotReadyAddresses === true ? HealthPolicy.ALLOW_ALL : HealthPolicy.ONLY_HEALTHY;
  if (spec.internalTrafficPolicy === "Local") {
    return create(LoadBalancingSchema, { mode: Mode.STRICT, routingPreference: [Scope.NODE], healthPolicy });
  }
  if (preference) {
    return create(LoadBalancingSchema, { mode: Mode.FAILOVER, routingPreference: [...preference], healthPolicy });
  }
  return healthPolicy === HealthPolicy.ALLOW_ALL ? create(LoadBalancingSchema, { healthPolicy }) : undefined;
}
