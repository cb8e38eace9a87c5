// SPDX-License-Identifier: Apache-2.0
import { DEFAULTS } from "@ambientmesh/api";

/** Where the mesh's own pods are. */
export const SYSTEM_NAMESPACE: string = DEFAULTS.ROOT_NAMESPACE;

/** Service accounts of the mesh's own pods, named as Istio's charts name them. */
export const ACCOUNTS = { istiod: "istiod", ztunnel: "ztunnel", cni: "istio-cni" } as const;

/** Carries how the mesh's own pods reach the API server. */
export const KUBECONFIG_MAP = "local-kubeconfig";
/** As in every namespace of a cluster: the certificate authority of the API server. */
export const API_ROOT_MAP = "kube-root-ca.crt";

export const ISTIOD_LABELS = { app: "istiod", istio: "pilot" } as const;
export const ZTUNNEL_LABELS = { app: "ztunnel", "istio.io/dataplane-mode": "none" } as const;
export const CNI_LABELS = { "k8s-app": "istio-cni-node", "istio.io/dataplane-mode": "none" } as const;

/** Name of the pod of a node's proxy. */
export function ztunnelName(node: string): string {
  return `ztunnel-${node}`;
}

/** Name of the pod of a node's CNI agent. */
export function cniName(node: string): string {
  return `istio-cni-${node}`;
}
