// SPDX-License-Identifier: Apache-2.0
/** Routes of HTTP requests: `envoy.config.route.v3`. */
export * from "../gen/envoy/config/route/v3/route_pb.ts";
export * from "../gen/envoy/config/route/v3/route_components_pb.ts";
export * from "../gen/envoy/config/route/v3/scoped_route_pb.ts";
export * from "../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";

/** xDS type of routes (RDS). */
export const ROUTE_TYPE_URL = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
