// SPDX-License-Identifier: Apache-2.0
/**
 * Aggregated discovery (ADS): `envoy.service.discovery.v3.*` and the messages that its requests are made of. Resources of all
 * types come over one gRPC stream, in the delta or in the state-of-the-world protocol.
 */
export * from "./gen/envoy/service/discovery/v3/discovery_pb.ts";
export * from "./gen/envoy/service/discovery/v3/ads_pb.ts";
export { NodeSchema, type Node } from "./gen/envoy/config/core/v3/base_pb.ts";
export { StatusSchema, type Status } from "./gen/google/rpc/status_pb.ts";
