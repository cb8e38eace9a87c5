// SPDX-License-Identifier: Apache-2.0
import {
  type Cluster,
  Cluster_DiscoveryType as DiscoveryType,
  Cluster_LbPolicy as LbPolicy,
} from "@ambientmesh/api/envoy/cluster";
import { type Address, HealthStatus, type Http2ProtocolOptions, type Locality } from "@ambientmesh/api/envoy/core";
import type { ClusterLoadAssignment, LbEndpoint, LocalityLbEndpoints } from "@ambientmesh/api/envoy/endpoint";
import { type HttpProtocolOptions, HttpProtocolOptionsSchema } from "@ambientmesh/api/envoy/upstreams";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { isIP } from "node:net";
import { durationMs } from "../config/durations.ts";
import { invalid, unsupported } from "../config/refusal.ts";
import { compileUpstreamSocket } from "../tls/compile-socket.ts";
import type { Dial } from "./dial.ts";
import type { HostConfig, HostHealth } from "./host.ts";
import type { HostSetOptions } from "./host-set.ts";
import type { BalancerKind } from "./load-balancer.ts";
import { compileOutlierRules, type OutlierRules } from "./outlier-detection.ts";

/** What a cluster's hosts speak. */
export type UpstreamProtocol = "http1" | "http2" | "as-downstream";

/** A cluster's settings, apart from its circuit breakers, which have a state. */
export interface ClusterConfig {
  readonly name: string;
  readonly source: Cluster;
  /** Name of its endpoints' resource; undefined: they are given with the cluster. */
  readonly edsName: string | undefined;
  readonly endpoints: EndpointsConfig;
  readonly protocol: UpstreamProtocol;
  readonly connectTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxConcurrentStreams: number;
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly balancer: { readonly kind: BalancerKind; readonly choices: number };
  readonly hostSet: Omit<HostSetOptions, "overprovisioning">;
  readonly outlier: OutlierRules | undefined;
  /** Puts TLS on top of connections. */
  readonly secure: ((dial: Dial) => Dial) | undefined;
}

/** Endpoints of one cluster. */
export interface EndpointsConfig {
  readonly hosts: readonly HostConfig[];
  readonly overprovisioning: number;
}

const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const DEFAULT_CONNECT_TIMEOUT_MS = 5000;
const DEFAULT_PANIC = 50;
const DEFAULT_OVERPROVISIONING = 140;
const DEFAULT_STREAMS = 100;
const STREAM_WINDOW = 1024 * 1024;
const CONNECTION_WINDOW = 16 * 1024 * 1024;

/** @throws MeshError WAYPOINT_CONFIG_INVALID, WAYPOINT_CONFIG_UNSUPPORTED */
export function compileCluster(cluster: Cluster): ClusterConfig {
  const options = httpOptions(cluster);
  const { protocol, http2 } = protocolOf(options);
  const common = cluster.commonLbConfig;
  return {
    name: cluster.name,
    source: cluster,
    edsName: edsName(cluster),
    endpoints: cluster.loadAssignment
      ? compileEndpoints(cluster.loadAssignment, "load_assignment")
      : { hosts: [], overprovisioning: DEFAULT_OVERPROVISIONING },
    protocol,
    connectTimeoutMs: durationMs(cluster.connectTimeout) ?? DEFAULT_CONNECT_TIMEOUT_MS,
    maxRequestsPerConnection: options?.commonHttpProtocolOptions?.maxRequestsPerConnection || Infinity,
    maxConcurrentStreams: http2?.maxConcurrentStreams ?? DEFAULT_STREAMS,
    streamWindow: http2?.initialStreamWindowSize ?? STREAM_WINDOW,
    connectionWindow: http2?.initialConnectionWindowSize ?? CONNECTION_WINDOW,
    balancer: balancerOf(cluster),
    hostSet: {
      panicThreshold: common?.healthyPanicThreshold?.value ?? DEFAULT_PANIC,
      isLocalityWeighted: common?.localityConfigSpecifier.case === "localityWeightedLbConfig",
    },
    secure: compileUpstreamSocket(cluster.transportSocket, "transport_socket"),
    outlier: cluster.outlierDetection && compileOutlierRules(cluster.outlierDetection, "outlier_detection"),
  };
}

function edsName(cluster: Cluster): string | undefined {
  const { clusterDiscoveryType: type } = cluster;
  if (type.value === DiscoveryType.STATIC) return undefined;
  if (type.value !== DiscoveryType.EDS) {
    const given = type.case === "type" ? `${type.value} ` : "";
    throw unsupported(
      type.case === "clusterType" ? "cluster_type" : "type",
      `${given}is not supported; use STATIC or EDS`,
    );
  }
  return cluster.edsClusterConfig?.serviceName || cluster.name;
}

function balancerOf({ lbPolicy, lbConfig }: Cluster): ClusterConfig["balancer"] {
  switch (lbPolicy) {
    case LbPolicy.ROUND_ROBIN:
      return { kind: "round-robin", choices: 1 };
    case LbPolicy.LEAST_REQUEST: {
      const choices = lbConfig.case === "leastRequestLbConfig" ? lbConfig.value.choiceCount : undefined;
      return { kind: "least-request", choices: choices ?? 2 };
    }
    case LbPolicy.RANDOM:
      return { kind: "random", choices: 1 };
    default:
      throw unsupported("lb_policy", `${lbPolicy} is not supported; use ROUND_ROBIN, LEAST_REQUEST or RANDOM`);
  }
}

function httpOptions(cluster: Cluster): HttpProtocolOptions | undefined {
  for (const key of Object.keys(cluster.typedExtensionProtocolOptions)) {
    if (key !== HTTP_OPTIONS) throw unsupported(`typed_extension_protocol_options["${key}"]`);
  }
  const any = cluster.typedExtensionProtocolOptions[HTTP_OPTIONS];
  return any && anyUnpack(any, HttpProtocolOptionsSchema);
}

function protocolOf(options: HttpProtocolOptions | undefined): {
  readonly protocol: UpstreamProtocol;
  readonly http2?: Http2ProtocolOptions | undefined;
} {
  const chosen = options?.upstreamProtocolOptions;
  if (chosen?.case === "useDownstreamProtocolConfig") {
    return { protocol: "as-downstream", http2: chosen.value.http2ProtocolOptions };
  }
  if (chosen?.case !== "explicitHttpConfig") return { protocol: "http1" };
  const { protocolConfig } = chosen.value;
  if (protocolConfig.case !== "http2ProtocolOptions") return { protocol: "http1" };
  return { protocol: "http2", http2: protocolConfig.value };
}

/** @throws MeshError WAYPOINT_CONFIG_INVALID */
export function compileEndpoints(assignment: ClusterLoadAssignment, path = ""): EndpointsConfig {
  const prefix = path === "" ? "" : `${path}.`;
  const hosts = assignment.endpoints.flatMap((group, index) =>
    group.lbEndpoints.flatMap((endpoint, at) =>
      compileEndpoint(endpoint, group, `${prefix}endpoints[${index}].lb_endpoints[${at}]`),
    ),
  );
  return { hosts, overprovisioning: assignment.policy?.overprovisioningFactor ?? DEFAULT_OVERPROVISIONING };
}

function compileEndpoint(endpoint: LbEndpoint, group: LocalityLbEndpoints, path: string): HostConfig[] {
  const health = healthOf(endpoint.healthStatus);
  if (health === undefined) return [];
  if (endpoint.hostIdentifier.case !== "endpoint") throw unsupported(path, "has no endpoint");
  const { address, hostname } = endpoint.hostIdentifier.value;
  return [
    {
      ...socketAddress(address, `${path}.endpoint.address`),
      hostname,
      weight: endpoint.loadBalancingWeight ?? 1,
      priority: group.priority,
      health,
      locality: localityText(group.locality),
      localityWeight: group.loadBalancingWeight ?? 0,
    },
  ];
}

/** An IP address and port. @throws MeshError WAYPOINT_CONFIG_INVALID */
export function socketAddress(address: Address | undefined, path: string): { address: string; port: number } {
  const socket = address?.address.case === "socketAddress" ? address.address.value : undefined;
  const at = `${path}.socket_address`;
  if (!socket) throw invalid(at, "is missing");
  if (isIP(socket.address) === 0) throw invalid(`${at}.address`, `is ${socket.address}, which is no IP address`);
  if (socket.portSpecifier.case !== "portValue") throw unsupported(at, "has no port_value");
  return { address: socket.address, port: socket.portSpecifier.value };
}

/** Undefined for endpoints that are told to get no requests at all. */
function healthOf(status: HealthStatus): HostHealth | undefined {
  switch (status) {
    case HealthStatus.UNKNOWN:
    case HealthStatus.HEALTHY:
      return "healthy";
    case HealthStatus.DEGRADED:
      return "degraded";
    case HealthStatus.DRAINING:
      return undefined;
    default:
      return "unhealthy";
  }
}

function localityText(locality: Locality | undefined): string {
  return `${locality?.region ?? ""}/${locality?.zone ?? ""}/${locality?.subZone ?? ""}`;
}
