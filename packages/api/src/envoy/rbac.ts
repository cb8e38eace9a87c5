// SPDX-License-Identifier: Apache-2.0
/** Authorization policies that both RBAC filters enforce: `envoy.config.rbac.v3`. */
export * from "../gen/envoy/config/rbac/v3/rbac_pb.ts";
export * from "../gen/envoy/extensions/rbac/audit_loggers/stream/v3/stream_pb.ts";
