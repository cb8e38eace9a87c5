// SPDX-License-Identifier: Apache-2.0
import type { Answer } from "./upstream.ts";
import type { CaseRequest } from "./client.ts";

/** Configuration that several cases share; each gets a listener of its own, with one connection manager. */
export interface Scenario {
  readonly name: string;
  readonly routes: readonly object[];
  /** More fields of the virtual host, the route configuration and the connection manager. */
  readonly virtualHost?: object;
  readonly virtualHosts?: readonly object[];
  readonly routeConfig?: object;
  readonly manager?: object;
  /** Filters before the router. */
  readonly filters?: readonly object[];
  readonly cases: readonly Case[];
}

/** One request to both engines. */
export interface Case extends CaseRequest {
  readonly name: string;
  readonly answer?: Answer;
  /** Octets to send instead of a request; only statuses and what the app saw are compared then. */
  readonly raw?: string;
}

const TYPE = "type.googleapis.com";
const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

const stdout = {
  name: "log",
  typed_config: {
    "@type": `${TYPE}/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog`,
    log_format: {
      text_format_source: {
        inline_string:
          "%REQ(X-CASE)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %UPSTREAM_CLUSTER% %ROUTE_NAME%\n",
      },
    },
  },
};

/** A filter by its short name and settings. */
export function filter(name: string, type: string, settings: object = {}): object {
  return { name, typed_config: { "@type": `${TYPE}/envoy.extensions.filters.http.${type}`, ...settings } };
}

function listener({ name, routes, virtualHost, virtualHosts, routeConfig, manager, filters = [] }: Scenario): object {
  const hcm = {
    "@type": `${TYPE}/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    access_log: [stdout],
    route_config: {
      name,
      validate_clusters: false,
      virtual_hosts: virtualHosts ?? [{ name: "all", domains: ["*"], routes, ...virtualHost }],
      ...routeConfig,
    },
    http_filters: [...filters, filter("envoy.filters.http.router", "router.v3.Router")],
    ...manager,
  };
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [{ filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: hcm }] }],
  };
}

function endpoint(port: number, more: object = {}): object {
  const address = { socket_address: { address: "127.0.0.1", port_value: port } };
  return { endpoint: { address, hostname: "host.of.endpoint" }, ...more };
}

function cluster(name: string, endpoints: readonly object[], more: object = {}): object {
  return {
    name,
    type: "STATIC",
    connect_timeout: "2s",
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: endpoints }] },
    ...more,
  };
}

const http2 = {
  typed_extension_protocol_options: {
    [HTTP_OPTIONS]: { "@type": `${TYPE}/${HTTP_OPTIONS}`, explicit_http_config: { http2_protocol_options: {} } },
  },
};

/** Ports of the apps that clusters lead to. */
export interface Ports {
  readonly one: number;
  readonly two: number;
  readonly h2: number;
  /** Nobody listens there. */
  readonly dead: number;
}

/** The bootstrap with all scenarios. */
export function bootstrapOf(scenarios: readonly Scenario[], { one, two, h2, dead }: Ports): object {
  return {
    static_resources: {
      listeners: scenarios.map(listener),
      clusters: [
        cluster("one", [endpoint(one)]),
        cluster("two", [endpoint(two)]),
        cluster("h2", [endpoint(h2)], http2),
        cluster("dead", [endpoint(dead)]),
        cluster("empty", []),
        cluster("half", [endpoint(dead, { load_balancing_weight: 1 }), endpoint(one, { load_balancing_weight: 1 })]),
        cluster("failover", [], {
          load_assignment: {
            cluster_name: "failover",
            endpoints: [
              { priority: 0, lb_endpoints: [endpoint(one, { health_status: "UNHEALTHY" })] },
              { priority: 1, lb_endpoints: [endpoint(two)] },
            ],
          },
        }),
        cluster("unhealthy", [endpoint(one, { health_status: "UNHEALTHY" })], {
          common_lb_config: { healthy_panic_threshold: { value: 0 } },
        }),
        cluster("panic", [endpoint(one, { health_status: "UNHEALTHY" })]),
        cluster("closed", [endpoint(one)], { circuit_breakers: { thresholds: [{ max_requests: 0 }] } }),
        cluster("noretries", [endpoint(one)], { circuit_breakers: { thresholds: [{ max_retries: 0 }] } }),
      ],
    },
  };
}
