// SPDX-License-Identifier: Apache-2.0
/** The service that ext_authz asks: `envoy.service.auth.v3`. */
export * from "../gen/envoy/service/auth/v3/attribute_context_pb.ts";
export * from "../gen/envoy/service/auth/v3/external_auth_pb.ts";
