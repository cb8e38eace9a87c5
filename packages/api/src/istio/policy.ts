// SPDX-License-Identifier: Apache-2.0
import type { Condition, KubernetesObject } from "../kubernetes/meta.ts";

/** Pods of a policy, by labels. */
export interface WorkloadSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

/** What a policy is attached to when it is not a selector. */
export interface PolicyTargetReference {
  readonly group?: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

/** Who sends: every field given has to match, values of a field are alternatives. */
export interface PolicySource {
  readonly principals?: readonly string[];
  readonly notPrincipals?: readonly string[];
  readonly requestPrincipals?: readonly string[];
  readonly notRequestPrincipals?: readonly string[];
  readonly namespaces?: readonly string[];
  readonly notNamespaces?: readonly string[];
  readonly serviceAccounts?: readonly string[];
  readonly notServiceAccounts?: readonly string[];
  readonly ipBlocks?: readonly string[];
  readonly notIpBlocks?: readonly string[];
  readonly remoteIpBlocks?: readonly string[];
  readonly notRemoteIpBlocks?: readonly string[];
  readonly trustDomains?: readonly string[];
  readonly notTrustDomains?: readonly string[];
}

/** What is asked for. Only ports are L4. */
export interface PolicyOperation {
  readonly hosts?: readonly string[];
  readonly notHosts?: readonly string[];
  readonly ports?: readonly string[];
  readonly notPorts?: readonly string[];
  readonly methods?: readonly string[];
  readonly notMethods?: readonly string[];
  readonly paths?: readonly string[];
  readonly notPaths?: readonly string[];
}

export interface PolicyCondition {
  readonly key: string;
  readonly values?: readonly string[];
  readonly notValues?: readonly string[];
}

/** Matches when one of `from`, one of `to` and all of `when` match; what is absent matches. */
export interface PolicyRule {
  readonly from?: readonly { readonly source?: PolicySource }[];
  readonly to?: readonly { readonly operation?: PolicyOperation }[];
  readonly when?: readonly PolicyCondition[];
}

export type PolicyAction = "ALLOW" | "DENY" | "AUDIT" | "CUSTOM";

export interface AuthorizationPolicySpec {
  readonly selector?: WorkloadSelector;
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
  readonly action?: PolicyAction;
  readonly provider?: { readonly name?: string };
  readonly rules?: readonly PolicyRule[];
}

/** security.istio.io/v1 AuthorizationPolicy. */
export interface AuthorizationPolicy extends KubernetesObject {
  readonly apiVersion: "security.istio.io/v1";
  readonly kind: "AuthorizationPolicy";
  readonly spec?: AuthorizationPolicySpec;
  readonly status?: { readonly conditions?: readonly Condition[] };
}

export type MtlsMode = "UNSET" | "DISABLE" | "PERMISSIVE" | "STRICT";

export interface PeerAuthenticationSpec {
  readonly selector?: WorkloadSelector;
  readonly mtls?: { readonly mode?: MtlsMode };
  /** Keyed by the workload's port. */
  readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: MtlsMode }>>;
}

/** security.istio.io/v1 PeerAuthentication. */
export interface PeerAuthentication extends KubernetesObject {
  readonly apiVersion: "security.istio.io/v1";
  readonly kind: "PeerAuthentication";
  readonly spec?: PeerAuthenticationSpec;
  readonly status?: { readonly conditions?: readonly Condition[] };
}
