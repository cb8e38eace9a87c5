// SPDX-License-Identifier: Apache-2.0
/** Network filters, each in a namespace of its own: `envoy.extensions.filters.network`. */
export * as extAuthz from "../gen/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts";
export * as httpConnectionManager from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
export * as localRatelimit from "../gen/envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit_pb.ts";
export * as rbac from "../gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
export * as setFilterState from "../gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.ts";
export * as tcpProxy from "../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
export * from "../gen/envoy/extensions/filters/common/set_filter_state/v3/value_pb.ts";
