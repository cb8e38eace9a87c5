// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import type { Service as KubernetesService, ServicePort } from "@ambientmesh/api/kubernetes";
import {
  IPFamilies,
  NetworkAddressSchema,
  PortSchema,
  ServiceSchema,
  type NetworkAddress,
  type Port,
  type Service,
} from "@ambientmesh/api/workload";
import { addressBytes } from "./ip-address.ts";
import { appProtocolOf } from "./app-protocol.ts";
import { loadBalancingOf } from "./load-balancing.ts";
import { serviceHostname } from "./names.ts";

/** What a service's resource depends on besides the object itself. */
export interface ServiceSurroundings {
  /** DNS domain of the cluster. */
  readonly domain: string;
  /** Network of the cluster; empty where there is one only. */
  readonly network: string;
  /** The traffic distribution that the namespace asks for. */
  readonly namespaceDistribution: string | undefined;
  readonly waypoint: Pick<Service, "waypoint" | "weightedWaypoints" | "ingressUseWaypoint">;
}

/**
 * A Kubernetes Service as node proxies see it.
 * @returns undefined for an ExternalName service, which is an alias in DNS and nothing else.
 */
export function serviceOf(object: KubernetesService, surroundings: ServiceSurroundings): Service | undefined {
  const { metadata, spec } = object;
  if (spec.type === "ExternalName") return undefined;
  const { name, namespace = "" } = metadata;
  const loadBalancing = loadBalancingOf(object, surroundings.namespaceDistribution);
  return create(ServiceSchema, {
    name,
    namespace,
    hostname: serviceHostname(name, namespace, surroundings.domain),
    addresses: virtualAddresses(spec, surroundings.network),
    ports: (spec.ports ?? []).map(servicePort),
    ipFamilies: ipFamiliesOf(spec.ipFamilies),
    canonical: true,
    ...surroundings.waypoint,
    ...(loadBalancing && { loadBalancing }),
  });
}

/** The cluster addresses of a service; none for a headless one. */
export function clusterAddresses({ clusterIPs, clusterIP }: KubernetesService["spec"]): readonly string[] {
  return (clusterIPs ?? [clusterIP ?? ""]).filter((address) => address !== "" && address !== "None");
}

function virtualAddresses(spec: KubernetesService["spec"], network: string): NetworkAddress[] {
  return clusterAddresses(spec)
    .map(addressBytes)
    .filter((address) => address !== undefined)
    .map((address) => create(NetworkAddressSchema, { network, address }));
}

function servicePort(port: ServicePort): Port {
  return create(PortSchema, {
    servicePort: port.port,
    targetPort: targetPortNumber(port) ?? 0,
    appProtocol: appProtocolOf(port),
  });
}

/** The target port where it is a number; undefined where it is a name, which every endpoint resolves for itself. */
export function targetPortNumber({ port, targetPort }: ServicePort): number | undefined {
  // Kubernetes fills in the service port for an absent target, and so do we for objects that did not pass it.
  if (targetPort === undefined || targetPort === 0 || targetPort === "") return port;
  return typeof targetPort === "number" ? targetPort : undefined;
}

function ipFamiliesOf(families: readonly string[] | undefined): IPFamilies {
  const hasIPv4 = families?.includes("IPv4") ?? false;
  const hasIPv6 = families?.includes("IPv6") ?? false;
  if (hasIPv4) return hasIPv6 ? IPFamilies.DUAL : IPFamilies.IPV4_ONLY;
  return hasIPv6 ? IPFamilies.IPV6_ONLY : IPFamilies.AUTOMATIC;
}
