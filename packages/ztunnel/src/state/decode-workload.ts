// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS } from "@ambientmesh/api";
import type { ApplicationTunnel as TunnelProto, Workload as WorkloadProto } from "@ambientmesh/api/workload";
import { messageOf } from "@ambientmesh/core";
import { formatSpiffeId, type SpiffeId } from "@ambientmesh/spiffe";
import { ipFromBytes, type Ip } from "../net/address.ts";
import { decoded, enumOf, optionalGatewayOf, portMapOf, portOf, Undecodable, type Decoded } from "./decoded.ts";
import type { ApplicationTunnel, PortMap, Workload, WorkloadProtocol, WorkloadType } from "./model.ts";

// Each table is ordered by the numbers of its protobuf enum (Istio 1.31 workload.proto).
const PROTOCOLS: readonly WorkloadProtocol[] = ["TCP", "HBONE"];
const TYPES: readonly WorkloadType[] = ["deployment", "cronjob", "pod", "job"];
const STATUSES = ["Healthy", "Unhealthy"] as const;
const NETWORK_MODES = ["Standard", "HostNetwork"] as const;
const TUNNEL_PROTOCOLS = ["NONE", "PROXY"] as const;

/** Fills in the defaults of a workload resource, or says why it has to be refused (ztunnel's rules, Istio 1.31). */
export function decodeWorkload(proto: WorkloadProto): Decoded<Workload> {
  return decoded(() => workloadOf(proto));
}

function workloadOf(proto: WorkloadProto): Workload {
  if (proto.uid === "") throw new Undecodable("uid is empty");
  const trustDomain = proto.trustDomain || DEFAULTS.TRUST_DOMAIN;
  const serviceAccount = proto.serviceAccount || "default";
  return {
    uid: proto.uid,
    name: proto.name,
    namespace: proto.namespace,
    addresses: proto.addresses.map(addressOf),
    hostname: proto.hostname,
    network: proto.network,
    networkMode: enumOf("networkMode", proto.networkMode, NETWORK_MODES),
    protocol: enumOf("tunnelProtocol", proto.tunnelProtocol, PROTOCOLS),
    trustDomain,
    serviceAccount,
    identity: identityOf({ trustDomain, namespace: proto.namespace, serviceAccount }),
    node: proto.node,
    nativeTunnel: proto.nativeTunnel,
    workloadName: proto.workloadName,
    workloadType: TYPES[proto.workloadType] ?? "deployment",
    canonicalName: proto.canonicalName,
    canonicalRevision: proto.canonicalRevision,
    clusterId: proto.clusterId || DEFAULTS.CLUSTER_ID,
    locality: {
      region: proto.locality?.region ?? "",
      zone: proto.locality?.zone ?? "",
      subzone: proto.locality?.subzone ?? "",
    },
    status: enumOf("status", proto.status, STATUSES),
    capacity: proto.capacity ?? 1,
    applicationTunnel: proto.applicationTunnel && tunnelOf(proto.applicationTunnel),
    waypoint: optionalGatewayOf("waypoint", proto.waypoint),
    networkGateway: optionalGatewayOf("networkGateway", proto.networkGateway),
    authorizationPolicies: proto.authorizationPolicies,
    services: servicesOf(proto.services),
  };
}

function identityOf(parts: Parameters<typeof formatSpiffeId>[0]): SpiffeId {
  try {
    return formatSpiffeId(parts);
  } catch (error) {
    throw new Undecodable(`no identity can be made of it: ${messageOf(error)}`);
  }
}

function addressOf(bytes: Uint8Array): Ip {
  const ip = ipFromBytes(bytes);
  if (ip === undefined) throw new Undecodable(`an address has ${bytes.length} bytes, not 4 or 16`);
  return ip;
}

function tunnelOf(proto: TunnelProto): ApplicationTunnel {
  return {
    protocol: enumOf("applicationTunnel.protocol", proto.protocol, TUNNEL_PROTOCOLS),
    port: portOf("applicationTunnel.port", proto.port) || undefined,
  };
}

function servicesOf(services: WorkloadProto["services"]): ReadonlyMap<string, PortMap> {
  return new Map(
    Object.entries(services).map(([key, list]) => {
      if (!key.includes("/")) throw new Undecodable(`services has the key "${key}", which is not namespace/hostname`);
      return [key, portMapOf(`services["${key}"]`, list.ports)];
    }),
  );
}
