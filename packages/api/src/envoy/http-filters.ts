// SPDX-License-Identifier: Apache-2.0
/** HTTP filters, each in a namespace of its own: `envoy.extensions.filters.http`. */
export * as cors from "../gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
export * as dynamicForwardProxy from "../gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.ts";
export * as extAuthz from "../gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts";
export * as fault from "../gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
export * as grpcStats from "../gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.ts";
export * as headerMutation from "../gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.ts";
export * as jwtAuthn from "../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts";
export * as localRatelimit from "../gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.ts";
export * as lua from "../gen/envoy/extensions/filters/http/lua/v3/lua_pb.ts";
export * as rbac from "../gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts";
export * as router from "../gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
export * as setFilterState from "../gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.ts";
export * as statefulSession from "../gen/envoy/extensions/filters/http/stateful_session/v3/stateful_session_pb.ts";
export * as wasm from "../gen/envoy/extensions/filters/http/wasm/v3/wasm_pb.ts";
export * from "../gen/envoy/config/common/mutation_rules/v3/mutation_rules_pb.ts";
export * from "../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.ts";
export * from "../gen/envoy/extensions/filters/common/fault/v3/fault_pb.ts";
export * from "../gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.ts";
export * from "../gen/envoy/extensions/wasm/v3/wasm_pb.ts";
