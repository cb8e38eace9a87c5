// SPDX-License-Identifier: Apache-2.0
/** Listener filters: `envoy.extensions.filters.listener`. */
export * from "../gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts";
export * from "../gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts";
export * from "../gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.ts";
export * from "../gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
