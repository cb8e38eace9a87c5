// SPDX-License-Identifier: Apache-2.0
/** How clusters speak with their endpoints: `envoy.extensions.upstreams`. */
export * from "../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
export * from "../gen/envoy/extensions/upstreams/tcp/v3/tcp_protocol_options_pb.ts";
