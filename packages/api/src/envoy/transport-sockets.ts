// SPDX-License-Identifier: Apache-2.0
/** TLS with its secrets, and the other transport sockets: `envoy.extensions.transport_sockets`. */
export * from "../gen/envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream_pb.ts";
export * from "../gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts";
export * from "../gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
export * from "../gen/envoy/extensions/transport_sockets/tls/v3/cert_pb.ts";
export * from "../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.ts";
export * from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
export * from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
export * from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_spiffe_validator_config_pb.ts";
export * from "../gen/envoy/service/secret/v3/sds_pb.ts";

/** xDS type of secrets (SDS). */
export const SECRET_TYPE_URL = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
