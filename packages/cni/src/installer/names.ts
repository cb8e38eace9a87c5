// SPDX-License-Identifier: Apache-2.0

/** File name of the plugin, and its type in network configurations (Istio 1.31). */
export const PLUGIN_NAME = "istio-cni";
/** The plugin's kubeconfig, in the run directory. */
export const KUBECONFIG_NAME = "istio-cni-kubeconfig";
