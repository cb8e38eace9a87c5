// SPDX-License-Identifier: Apache-2.0
import type { Bootstrap } from "@ambientmesh/api/envoy/bootstrap";
import { parseBootstrap } from "../src/config/bootstrap.ts";

const TYPE = "type.googleapis.com";

/** A filter of the connection manager by the end of its type's name. */
export function httpFilter(type: string, settings: object = {}): object {
  return { name: type, typed_config: { "@type": `${TYPE}/envoy.extensions.filters.http.${type}`, ...settings } };
}

/** A listener on a port of its own with one connection manager. */
export function listenerOf(routes: readonly object[], manager: object = {}, name = "main"): object {
  const hcm = {
    "@type": `${TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    route_config: { name: "routes", virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    http_filters: [httpFilter("router.v3.Router")],
    ...manager,
  };
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [{ filters: [{ name: "hcm", typed_config: hcm }] }],
  };
}

/** A cluster of endpoints on loopback. */
export function clusterOf(name: string, ports: readonly number[], more: object = {}): object {
  const endpoints = ports.map((port) => ({
    endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } },
  }));
  return {
    name,
    type: "STATIC",
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...more,
  };
}

/** A bootstrap of static resources. */
export function bootstrapOf(listeners: readonly object[], clusters: readonly object[]): Bootstrap {
  return parseBootstrap(JSON.stringify({ static_resources: { listeners, clusters } }), "test");
}
