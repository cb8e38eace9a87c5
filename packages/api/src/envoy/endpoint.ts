// SPDX-License-Identifier: Apache-2.0
/** Endpoints of clusters: `envoy.config.endpoint.v3`. */
export * from "../gen/envoy/config/endpoint/v3/endpoint_pb.ts";
export * from "../gen/envoy/config/endpoint/v3/endpoint_components_pb.ts";

/** xDS type of endpoints (EDS). */
export const ENDPOINT_TYPE_URL = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
