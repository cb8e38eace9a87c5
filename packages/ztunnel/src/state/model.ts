// SPDX-License-Identifier: Apache-2.0
import type { SpiffeId } from "@ambientmesh/spiffe";
import type { Ip } from "../net/address.ts";

/** An address within a network; two networks may use the same addresses. */
export interface NetworkAddress {
  readonly network: string;
  readonly ip: Ip;
}

/** A range of addresses that a service answers for. */
export interface NetworkCidr extends NetworkAddress {
  readonly length: number;
}

export interface NamespacedHostname {
  readonly namespace: string;
  readonly hostname: string;
}

/** Where a waypoint or a network gateway is, and its HBONE port. */
export interface GatewayAddress {
  readonly destination:
    | ({ readonly kind: "address" } & NetworkAddress)
    | ({ readonly kind: "hostname" } & NamespacedHostname);
  readonly hboneMtlsPort: number;
}

export interface WeightedWaypoint {
  readonly gateway: GatewayAddress;
  readonly weight: number;
}

interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

/** Service port to target port; target 0 stands for a named port that each endpoint resolves itself. */
export type PortMap = ReadonlyMap<number, number>;

export type WorkloadProtocol = "TCP" | "HBONE";
type WorkloadStatus = "Healthy" | "Unhealthy";
export type WorkloadType = "deployment" | "cronjob" | "pod" | "job";

/** A way into a workload that is not the port itself, for proxies that are workloads (sandwiched waypoints). */
export interface ApplicationTunnel {
  readonly protocol: "NONE" | "PROXY";
  /** Undefined: keep the port of the request. */
  readonly port: number | undefined;
}

/** A workload as decoded from discovery: every default filled in, all addresses canonical. Immutable. */
export interface Workload {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly addresses: readonly Ip[];
  readonly hostname: string;
  readonly network: string;
  readonly networkMode: "Standard" | "HostNetwork";
  readonly protocol: WorkloadProtocol;
  readonly trustDomain: string;
  readonly serviceAccount: string;
  /** `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
  readonly identity: SpiffeId;
  readonly node: string;
  readonly nativeTunnel: boolean;
  readonly workloadName: string;
  readonly workloadType: WorkloadType;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly clusterId: string;
  readonly locality: Locality;
  readonly status: WorkloadStatus;
  readonly capacity: number;
  readonly applicationTunnel: ApplicationTunnel | undefined;
  readonly waypoint: GatewayAddress | undefined;
  readonly networkGateway: GatewayAddress | undefined;
  /** Names (`namespace/name`) of the policies that select this workload. */
  readonly authorizationPolicies: readonly string[];
  /** By `namespace/hostname` of the service. */
  readonly services: ReadonlyMap<string, PortMap>;
}

export const SCOPES = ["Region", "Zone", "Subzone", "Node", "Cluster", "Network"] as const;
export type Scope = (typeof SCOPES)[number];
type LoadBalancerMode = "Standard" | "Strict" | "Failover" | "Passthrough";

export interface LoadBalancer {
  readonly routingPreferences: readonly Scope[];
  readonly mode: LoadBalancerMode;
  readonly healthPolicy: "OnlyHealthy" | "AllowAll";
}

export type IpFamilies = "Dual" | "IPv4" | "IPv6";

/** A service as decoded from discovery. Immutable; its endpoints are kept beside it. */
export interface Service {
  readonly name: string;
  readonly namespace: string;
  readonly hostname: string;
  readonly vips: readonly NetworkAddress[];
  readonly cidrVips: readonly NetworkCidr[];
  readonly ports: PortMap;
  readonly subjectAltNames: readonly string[];
  /** Those of the names that are identities; the others can't be checked and are left out. */
  readonly identities: readonly SpiffeId[];
  readonly waypoint: GatewayAddress | undefined;
  readonly weightedWaypoints: readonly WeightedWaypoint[];
  readonly loadBalancer: LoadBalancer | undefined;
  readonly ipFamilies: IpFamilies | undefined;
  readonly canonical: boolean;
  readonly visibility: "Public" | "Namespace";
}

/** A workload's part in a service. Always holds the workload as it is now. */
export interface Endpoint {
  readonly workload: Workload;
  readonly ports: PortMap;
}

/** A service with those of its endpoints that may be used. The object stays the same while the service exists. */
export interface ServiceEntry {
  readonly service: Service;
  /** By uid of the workload. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
}

/** `namespace/hostname`, the name of a service in discovery. */
export function serviceKey({ namespace, hostname }: NamespacedHostname): string {
  return `${namespace}/${hostname}`;
}

/** `network/ip`, the name of an address in discovery. */
export function addressKey({ network, ip }: NetworkAddress): string {
  return `${network}/${ip}`;
}
