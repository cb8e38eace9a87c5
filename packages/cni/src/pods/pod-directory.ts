// SPDX-License-Identifier: Apache-2.0
import type { Namespace, Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES, objectKey, type KubeClient, type Store, type StoreIndex } from "@ambientmesh/kube";
import { kubeletUidOf, uidOf } from "./pod-facts.ts";

/** A pod as a container runtime names it. */
export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  /** Not every runtime tells. */
  readonly uid?: string | undefined;
}

export interface PodDirectoryDeps {
  /** Pods of this node. */
  readonly pods: Store<Pod>;
  readonly namespaces: Store<Namespace>;
  readonly client: KubeClient;
}

/** The pods of this node and their namespaces: from the live copy, and where that is behind, from the API server. */
export class PodDirectory {
  readonly #deps: PodDirectoryDeps;
  readonly #byUid: StoreIndex<Pod>;
  readonly #byNamespace: StoreIndex<Pod>;

  constructor(deps: PodDirectoryDeps) {
    this.#deps = deps;
    this.#byUid = deps.pods.index((pod) => [uidOf(pod)]);
    this.#byNamespace = deps.pods.index((pod) => [pod.metadata.namespace ?? ""]);
  }

  get pods(): Iterable<Pod> {
    return this.#deps.pods.values();
  }

  byUid(uid: string): Pod | undefined {
    const [pod] = this.#byUid.get(uid);
    return pod;
  }

  inNamespace(name: string): Iterable<Pod> {
    return this.#byNamespace.get(name);
  }

  namespaceOf(pod: Pod): Namespace | undefined {
    return this.#deps.namespaces.get(pod.metadata.namespace ?? "");
  }

  /** The pod that a sandbox is made for: of its name, and of its uid where that is known. @throws MeshError KUBE_* */
  async lookUp(reference: PodReference, signal?: AbortSignal): Promise<Pod | undefined> {
    const known = this.#deps.pods.get(objectKey(reference));
    if (known && isMeant(known, reference)) return known;
    const { name, namespace } = reference;
    const found = await this.#deps.client.find(RESOURCES.Pod, { name, namespace }, { ...(signal && { signal }) });
    return found && isMeant(found, reference) ? found : undefined;
  }

  /** @throws MeshError KUBE_* */
  async lookUpNamespace(pod: Pod, signal?: AbortSignal): Promise<Namespace | undefined> {
    const name = pod.metadata.namespace ?? "";
    return (
      this.namespaceOf(pod) ?? this.#deps.client.find(RESOURCES.Namespace, { name }, { ...(signal && { signal }) })
    );
  }
}

/** A pod that was made anew under its old name is another one. */
function isMeant(pod: Pod, { uid }: PodReference): boolean {
  return uid === undefined || uid === uidOf(pod) || uid === kubeletUidOf(pod);
}
