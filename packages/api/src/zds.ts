// SPDX-License-Identifier: Apache-2.0
/** ZDS, between CNI agent and node proxy: `istio.workload.zds.*`. */
export * from "./gen/istio/zds/zds_pb.ts";
