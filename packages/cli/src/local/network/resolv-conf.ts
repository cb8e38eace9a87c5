// SPDX-License-Identifier: Apache-2.0
import { CLUSTER_DOMAIN, DNS_SERVICE_ADDRESS } from "../topology.ts";

/**
 * What a resolver reads, as kubelets write it.
 * @param namespace whose services can be named without it; undefined on nodes
 */
export function resolvConf(namespace: string | undefined): string {
  const own = namespace === undefined ? [] : [`${namespace}.svc.${CLUSTER_DOMAIN}`];
  const search = [...own, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN].join(" ");
  return `search ${search}\nnameserver ${DNS_SERVICE_ADDRESS}\noptions ndots:5\n`;
}
