// SPDX-License-Identifier: Apache-2.0
/**
 * L4 authorization policies: `istio.security.*`. istiod sends them to node proxies, each under `namespace/name`; Workload names
 * those that select it.
 */
export * from "./gen/istio/security/authorization_pb.ts";

/** xDS type of policies. */
export const AUTHORIZATION_TYPE_URL = "type.googleapis.com/istio.security.Authorization";
