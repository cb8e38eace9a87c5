// SPDX-License-Identifier: Apache-2.0
import type { Caller } from "./caller.ts";
import type { ProxyNode } from "./proxy-node.ts";

/**
 * Whether a caller may be the node it claims to be: a proxy speaks for its own namespace and service account only,
 * otherwise one tenant could read what was meant for another.
 * @returns what is wrong, or undefined.
 */
export function refusedClaim(
  caller: Pick<Caller, "namespace" | "serviceAccount" | "id">,
  node: ProxyNode,
): string | undefined {
  if (caller.namespace !== node.namespace) {
    return `${caller.id} claims to be a proxy of namespace ${node.namespace}`;
  }
  if (node.serviceAccount !== undefined && node.serviceAccount !== caller.serviceAccount) {
    return `${caller.id} claims to run as service account ${node.serviceAccount}`;
  }
  return undefined;
}
