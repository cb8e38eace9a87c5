// SPDX-License-Identifier: Apache-2.0
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { addCommonProtos, loadProtosWithOptionsSync } from "@grpc/proto-loader/build/src/util.js";
import type { ResourceInput } from "../../src/index.ts";

const PROTOS = join(dirname(createRequire(import.meta.url).resolve("@grpc/grpc-js-xds/package.json")), "deps");

addCommonProtos();
const root = loadProtosWithOptionsSync(
  [
    "envoy/config/listener/v3/listener.proto",
    "envoy/config/route/v3/route.proto",
    "envoy/config/cluster/v3/cluster.proto",
    "envoy/config/endpoint/v3/endpoint.proto",
    "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
    "envoy/extensions/filters/http/router/v3/router.proto",
  ],
  {
    keepCase: true,
    includeDirs: ["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map((name) => join(PROTOS, name)),
  },
);

export const LISTENER = "envoy.config.listener.v3.Listener";
export const ROUTE = "envoy.config.route.v3.RouteConfiguration";
export const CLUSTER = "envoy.config.cluster.v3.Cluster";
export const ENDPOINTS = "envoy.config.endpoint.v3.ClusterLoadAssignment";
const HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = "envoy.extensions.filters.http.router.v3.Router";

export const typeUrlOf = (type: string): string => `type.googleapis.com/${type}`;

function encode(type: string, fields: Record<string, unknown>): Uint8Array {
  const descriptor = root.lookupType(type);
  return descriptor.encode(descriptor.fromObject(fields)).finish();
}

const any = (type: string, fields: Record<string, unknown>): Record<string, unknown> => ({
  type_url: typeUrlOf(type),
  value: encode(type, fields),
});

const ADS = { ads: {}, resource_api_version: "V3" };

/** A listener as gRPC clients use it: its name is the service, its routes are `route`. */
export function listener(name: string, route: string): ResourceInput {
  const manager = {
    rds: { route_config_name: route, config_source: ADS },
    http_filters: [{ name: "router", typed_config: any(ROUTER, {}) }],
  };
  return { name, value: encode(LISTENER, { name, api_listener: { api_listener: any(HCM, manager) } }) };
}

/** Sends everything to one cluster. */
export function route(name: string, cluster: string): ResourceInput {
  const routes = [{ match: { prefix: "" }, route: { cluster } }];
  return { name, value: encode(ROUTE, { name, virtual_hosts: [{ name: "all", domains: ["*"], routes }] }) };
}

export function cluster(name: string): ResourceInput {
  const value = encode(CLUSTER, { name, type: "EDS", eds_cluster_config: { eds_config: ADS } });
  return { name, value };
}

/** Endpoints of a cluster on loopback ports. */
export function endpoints(name: string, ports: readonly number[]): ResourceInput {
  const lbEndpoints = ports.map((port) => ({
    endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } },
    health_status: "HEALTHY",
    load_balancing_weight: { value: 1 },
  }));
  const locality = { region: "r", zone: "z" };
  const value = encode(ENDPOINTS, {
    cluster_name: name,
    endpoints: [{ locality, load_balancing_weight: { value: 1 }, lb_endpoints: lbEndpoints }],
  });
  return { name, value };
}
