// SPDX-License-Identifier: Apache-2.0
/**
 * ZDS: `istio.workload.zds.*`. The CNI agent hands the pods of its node to the node proxy, over a unix socket of the kind
 * SOCK_SEQPACKET: one message a datagram, and beside `add` the file descriptor of the pod's network namespace.
 */
export * from "./gen/istio/zds/zds_pb.ts";
