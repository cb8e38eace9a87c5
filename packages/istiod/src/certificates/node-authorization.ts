// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { objectKey } from "@ambientmesh/kube";
import { isSpiffeId, spiffeIdParts, type SpiffeId } from "@ambientmesh/spiffe";
import type { MeshConfig } from "../config/mesh-config.ts";
import type { Caller } from "../authentication/caller.ts";
import type { SourceCollection } from "../collections/collection.ts";

/** Whether a node proxy may have a certificate of somebody else. */
export type Impersonation =
  | { readonly kind: "allowed"; readonly id: SpiffeId }
  /** The reason is for our log only; the caller is told nothing of what exists in the cluster. */
  | { readonly kind: "refused"; readonly reason: string };

export interface NodeAuthorizerOptions {
  /** "namespace/name" of the service accounts of node proxies. */
  readonly trustedAccounts: readonly string[];
  readonly mesh: Pick<MeshConfig, "trustDomain">;
}

/**
 * Decides for whom a node proxy may ask: a service account that runs on its own node, so that a stolen node gives
 * away the identities of that node and no others.
 */
export class NodeAuthorizer {
  readonly #pods: Pick<SourceCollection<Pod>, "get">;
  readonly #options: NodeAuthorizerOptions;
  readonly #podsByPlace: { lookup(value: string): Iterable<Pod> };

  constructor(pods: SourceCollection<Pod>, options: NodeAuthorizerOptions) {
    this.#pods = pods;
    this.#options = options;
    this.#podsByPlace = pods.index("node and account", ({ metadata, spec }) => [
      placeKey(spec.nodeName ?? "", metadata.namespace ?? "", accountOf(spec)),
    ]);
  }

  authorize(caller: Caller, requested: string): Impersonation {
    if (!isSpiffeId(requested)) return refused("what is asked for is no identity of this mesh");
    const { trustDomain, namespace, serviceAccount } = spiffeIdParts(requested);
    // Istio doesn't compare it. A certificate of another trust domain would let the proxy speak for foreign workloads.
    if (trustDomain !== this.#options.mesh.trustDomain) return refused(`${requested} is of another trust domain`);
    if (caller.by !== "token" || !caller.pod) return refused(`${caller.id} has no token that is bound to a pod`);
    const account = `${caller.namespace}/${caller.serviceAccount}`;
    if (!this.#options.trustedAccounts.includes(account)) return refused(`${account} is not a trusted node account`);
    const node = this.#nodeOf(caller, caller.pod);
    if (node === undefined)
      return refused(`pod ${caller.pod.name} of ${caller.id} is not known with this uid and account`);
    for (const { status } of this.#podsByPlace.lookup(placeKey(node, namespace, serviceAccount))) {
      if (status?.phase !== "Failed") return { kind: "allowed", id: requested };
    }
    return refused(`no pod runs as ${namespace}/${serviceAccount} on node ${node}`);
  }

  #nodeOf({ namespace, serviceAccount }: Caller, { name, uid }: NonNullable<Caller["pod"]>): string | undefined {
    const pod = this.#pods.get(objectKey({ namespace, name }));
    if (pod?.metadata.uid !== uid || accountOf(pod.spec) !== serviceAccount) return undefined;
    return pod.spec.nodeName || undefined;
  }
}

function accountOf({ serviceAccountName }: Pod["spec"]): string {
  return serviceAccountName || "default";
}

function placeKey(node: string, namespace: string, serviceAccount: string): string {
  return `${node}/${namespace}/${serviceAccount}`;
}

function refused(reason: string): Impersonation {
  return { kind: "refused", reason };
}
