// SPDX-License-Identifier: Apache-2.0
/**
 * The certificate service: `istio.v1.auth.*`. A proxy sends a CSR with a token or its old certificate and is given a chain, over
 * gRPC with TLS (port 15012).
 */
export * from "./gen/istio/ca/ca_pb.ts";
