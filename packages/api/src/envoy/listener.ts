// SPDX-License-Identifier: Apache-2.0
/** Listeners and their filter chains: `envoy.config.listener.v3`. */
export * from "../gen/envoy/config/listener/v3/api_listener_pb.ts";
export * from "../gen/envoy/config/listener/v3/listener_pb.ts";
export * from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
export * from "../gen/envoy/config/listener/v3/quic_config_pb.ts";
export * from "../gen/envoy/config/listener/v3/udp_listener_config_pb.ts";

/** xDS type of listeners (LDS). */
export const LISTENER_TYPE_URL = "type.googleapis.com/envoy.config.listener.v3.Listener";
