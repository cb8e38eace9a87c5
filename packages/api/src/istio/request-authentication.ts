// SPDX-License-Identifier: Apache-2.0
import type { Condition, KubernetesObject } from "../kubernetes/meta.ts";
import type { PolicyTargetReference, WorkloadSelector } from "./policy.ts";

/** Where a token is, and what has to be in it. */
export interface JwtRule {
  readonly issuer?: string;
  readonly audiences?: readonly string[];
  readonly jwksUri?: string;
  /** The older spelling of `jwksUri`. */
  readonly jwks_uri?: string;
  /** The keys themselves, as JSON. */
  readonly jwks?: string;
  readonly fromHeaders?: readonly { readonly name: string; readonly prefix?: string }[];
  readonly fromParams?: readonly string[];
  readonly fromCookies?: readonly string[];
  readonly outputPayloadToHeader?: string;
  readonly outputClaimToHeaders?: readonly { readonly header: string; readonly claim: string }[];
  readonly forwardOriginalToken?: boolean;
  readonly spaceDelimitedClaims?: readonly string[];
  /** A duration such as "5s". */
  readonly timeout?: string;
}

export interface RequestAuthenticationSpec {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
  readonly jwtRules?: readonly JwtRule[];
}

/** security.istio.io/v1 RequestAuthentication. */
export interface RequestAuthentication extends KubernetesObject {
  readonly apiVersion: "security.istio.io/v1";
  readonly kind: "RequestAuthentication";
  readonly spec?: RequestAuthenticationSpec;
  readonly status?: { readonly conditions?: readonly Condition[] };
}
