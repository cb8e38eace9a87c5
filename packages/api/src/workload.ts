// SPDX-License-Identifier: Apache-2.0
/**
 * Workload discovery: `istio.workload.*`. istiod sends node proxies the workloads and services of the mesh as Address, each
 * under its uid (`cluster//Pod/namespace/name`) or as `namespace/hostname`.
 */
export * from "./gen/istio/workload/workload_pb.ts";

/** xDS type of workloads and services, as node proxies subscribe to them. */
export const ADDRESS_TYPE_URL = "type.googleapis.com/istio.workload.Address";
/** xDS type of workloads alone, as Envoy's metadata discovery subscribes to them. */
export const WORKLOAD_TYPE_URL = "type.googleapis.com/istio.workload.Workload";
