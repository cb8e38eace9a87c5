// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

const CODES = {
  CNI_AGENT_REFUSED: "The CNI agent did not let a pod start; the container runtime tries again.",
  CNI_API_SERVER_FAILED:
    "The CNI plugin asked the API server, because the agent did not answer, and got no answer either.",
  CNI_AGENT_UNREACHABLE:
    "The CNI agent of the node does not answer, and the pod belongs into the mesh or it can't be told whether it does.",
  CNI_INSTALL_FAILED: "The CNI plugin could not be put on the node, or not be removed from it; it is tried again.",
  CNI_KUBECONFIG_INVALID:
    "The kubeconfig of the CNI plugin is not of a form that it reads; the message names the field.",
  CNI_KUBELET_CGROUP_INVALID: "KUBELET_CGROUP names no control group of the node.",
  CNI_LISTENERS_MISSING:
    "The node proxy acknowledged a pod, but does not listen in it on a port that traffic would be redirected to.",
  CNI_NETNS_NOT_FOUND: "No network namespace was found for a pod; it is looked for again.",
  CNI_NETNS_REFUSED:
    "A network namespace is not the pod's: it holds none of the pod's addresses, belongs to another pod or is the node's own.",
  CNI_PLUGIN_CONFIG_INVALID: "The network configuration given to the CNI plugin is wrong; the message names the field.",
  CNI_PLUGIN_ENVIRONMENT_INVALID: "The container runtime called the CNI plugin without a variable that it needs.",
  CNI_PLUGIN_INPUT_UNREADABLE: "What the container runtime wrote to the CNI plugin is no JSON, or too much.",
  CNI_PLUGIN_NOT_BUILT:
    "The files of the CNI plugin that are to be installed on the node are missing; the package has to be built.",
  CNI_PLUGIN_VERSION_UNSUPPORTED: "The network configuration is of a version of CNI that the plugin does not speak.",
  CNI_POD_UNKNOWN: "The container runtime started a sandbox for a pod that the API server does not know (any more).",
  CNI_PROC_MISSING: "The agent does not see the processes of its node.",
  CNI_REDIRECTION_UNAVAILABLE: "The node has no usable nft or iptables for the kind of redirection that was asked for.",
  CNI_REQUEST_INVALID:
    "A request to the agent's socket is no valid event of the CNI plugin; the message names the field.",
  CNI_SOCKET_IN_USE: "Another process listens on one of the agent's sockets; only one agent may run per node.",
  CNI_ZDS_PROTOCOL: "A node proxy broke the protocol of the ZDS socket; its connection was closed.",
  CNI_ZTUNNEL_REFUSED: "The node proxy could not take over a pod; its log says why. The pod is offered again.",
  CNI_ZTUNNEL_UNAVAILABLE:
    "No node proxy is connected, or it did not answer in time, so the pod can't join the mesh yet.",
} as const;

/** Codes of the node agent and the CNI plugin. */
export type CniErrorCode = keyof typeof CODES;

/** The error catalogue of the node agent and the CNI plugin. */
export const cniErrors: ErrorCatalogue<CniErrorCode> = errorCatalogue(CODES);
