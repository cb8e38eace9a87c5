// SPDX-License-Identifier: Apache-2.0
import type {
  LoadBalancing,
  Service as ServiceProto,
  WeightedWaypoint as WeightedProto,
} from "@ambientmesh/api/workload";
import { isSpiffeId } from "@ambientmesh/spiffe";
import { familyOf } from "../net/address.ts";
import {
  decoded,
  enumOf,
  gatewayOf,
  networkAddressOf,
  optionalGatewayOf,
  portMapOf,
  Undecodable,
  type Decoded,
} from "./decoded.ts";
import { SCOPES, type IpFamilies, type LoadBalancer, type Service, type WeightedWaypoint } from "./model.ts";

// Each table is ordered by the numbers of its protobuf enum (Istio 1.31 workload.proto).
const SCOPE_NAMES = [undefined, ...SCOPES];
const MODES = ["Standard", "Strict", "Failover", "Passthrough"] as const;
const HEALTH_POLICIES = ["OnlyHealthy", "AllowAll"] as const;
const FAMILIES: readonly (IpFamilies | "Automatic")[] = ["Automatic", "IPv4", "IPv6", "Dual"];

/** Fills in the defaults of a service resource, or says why it has to be refused (ztunnel's rules, Istio 1.31). */
export function decodeService(proto: ServiceProto): Decoded<Service> {
  return decoded(() => serviceOf(proto));
}

function serviceOf(proto: ServiceProto): Service {
  if (proto.hostname === "") throw new Undecodable("hostname is empty");
  const addresses = proto.addresses.map((address, at) => networkAddressOf(`addresses[${at}]`, address));
  const isExact = ({ ip, length }: { ip: string; length: number }): boolean =>
    length === (familyOf(ip) === 4 ? 32 : 128);
  const families = enumOf("ipFamilies", proto.ipFamilies, FAMILIES);
  return {
    name: proto.name,
    namespace: proto.namespace,
    hostname: proto.hostname,
    vips: addresses.filter(isExact).map(({ network, ip }) => ({ network, ip })),
    cidrVips: addresses.filter((address) => !isExact(address)),
    ports: portMapOf("ports", proto.ports),
    subjectAltNames: proto.subjectAltNames,
    identities: proto.subjectAltNames.filter(isSpiffeId),
    waypoint: optionalGatewayOf("waypoint", proto.waypoint),
    weightedWaypoints: proto.weightedWaypoints.map(weightedOf),
    loadBalancer: proto.loadBalancing && balancerOf(proto.loadBalancing),
    ipFamilies: families === "Automatic" ? undefined : families,
    canonical: proto.canonical,
    // An unknown visibility is public, as in Istio: hiding a service would break who uses it.
    visibility: proto.visibility === 1 ? "Namespace" : "Public",
  };
}

function weightedOf(proto: WeightedProto, at: number): WeightedWaypoint {
  if (proto.destination === undefined) throw new Undecodable(`weightedWaypoints[${at}] names no destination`);
  return { gateway: gatewayOf(`weightedWaypoints[${at}]`, proto.destination), weight: proto.weight };
}

function balancerOf(proto: LoadBalancing): LoadBalancer {
  return {
    routingPreferences: proto.routingPreference.map((scope) => enumOf("routingPreference", scope, SCOPE_NAMES)),
    mode: enumOf("loadBalancing.mode", proto.mode, MODES),
    healthPolicy: enumOf("loadBalancing.healthPolicy", proto.healthPolicy, HEALTH_POLICIES),
  };
}
