// SPDX-License-Identifier: Apache-2.0
/** The certificate service: `istio.v1.auth.*`. */
export * from "./gen/istio/ca/ca_pb.ts";
