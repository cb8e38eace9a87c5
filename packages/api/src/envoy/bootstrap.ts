// SPDX-License-Identifier: Apache-2.0
/** What an Envoy starts with: `envoy.config.bootstrap.v3`. */
export * from "../gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
export * from "../gen/envoy/config/metrics/v3/stats_pb.ts";
export * from "../gen/envoy/config/overload/v3/overload_pb.ts";
export * from "../gen/envoy/config/trace/v3/http_tracer_pb.ts";
export * from "../gen/envoy/config/trace/v3/opentelemetry_pb.ts";
export * from "../gen/envoy/config/trace/v3/zipkin_pb.ts";
export * from "../gen/envoy/extensions/bootstrap/internal_listener/v3/internal_listener_pb.ts";
