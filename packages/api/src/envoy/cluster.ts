// SPDX-License-Identifier: Apache-2.0
/** Clusters: `envoy.config.cluster.v3`, and the ones of extensions. */
export * from "../gen/envoy/config/cluster/v3/circuit_breaker_pb.ts";
export * from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
export * from "../gen/envoy/config/cluster/v3/filter_pb.ts";
export * from "../gen/envoy/config/cluster/v3/outlier_detection_pb.ts";
export * from "../gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts";
export * from "../gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.ts";

/** xDS type of clusters (CDS). */
export const CLUSTER_TYPE_URL = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
