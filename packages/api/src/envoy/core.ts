// SPDX-License-Identifier: Apache-2.0
/** What all of Envoy's configuration is made of: `envoy.config.core.v3`, and the structs of extensions without a type. */
export * from "../gen/envoy/config/core/v3/address_pb.ts";
export * from "../gen/envoy/config/core/v3/backoff_pb.ts";
export * from "../gen/envoy/config/core/v3/base_pb.ts";
export * from "../gen/envoy/config/core/v3/config_source_pb.ts";
export * from "../gen/envoy/config/core/v3/event_service_config_pb.ts";
export * from "../gen/envoy/config/core/v3/extension_pb.ts";
export * from "../gen/envoy/config/core/v3/grpc_method_list_pb.ts";
export * from "../gen/envoy/config/core/v3/grpc_service_pb.ts";
export * from "../gen/envoy/config/core/v3/health_check_pb.ts";
export * from "../gen/envoy/config/core/v3/http_service_pb.ts";
export * from "../gen/envoy/config/core/v3/http_uri_pb.ts";
export * from "../gen/envoy/config/core/v3/protocol_pb.ts";
export * from "../gen/envoy/config/core/v3/proxy_protocol_pb.ts";
export * from "../gen/envoy/config/core/v3/resolver_pb.ts";
export * from "../gen/envoy/config/core/v3/socket_option_pb.ts";
export * from "../gen/envoy/config/core/v3/substitution_format_string_pb.ts";
export * from "../gen/envoy/config/core/v3/udp_socket_config_pb.ts";
export { type TypedStruct, TypedStructSchema } from "../gen/xds/type/v3/typed_struct_pb.ts";
export {
  type TypedStruct as UdpaTypedStruct,
  TypedStructSchema as UdpaTypedStructSchema,
} from "../gen/udpa/type/v1/typed_struct_pb.ts";
