// SPDX-License-Identifier: Apache-2.0
import type { Pod, ReplicaSet } from "@ambientmesh/api/kubernetes";
import { RESOURCES, formatLabelSelector, labelRequirements, objectKey, parseObjectKey } from "@ambientmesh/kube";
import type { ControllerDeps } from "./cluster-state.ts";
import { controlledBy, expendableFirst, isActive, isOwnedBy, isReady } from "./pods-of-owner.ts";
import { Reconciler } from "./reconciler.ts";

/** Keeps the wanted number of pods of each ReplicaSet. */
export function startReplicaSets(deps: ControllerDeps): AsyncDisposable {
  const { client, state } = deps;

  async function reconcile(key: string, signal: AbortSignal): Promise<void> {
    const ref = parseObjectKey(key);
    const set = await client.find(RESOURCES.ReplicaSet, ref, { signal });
    if (set === undefined || set.metadata.deletionTimestamp !== undefined) return;
    // From the server: the live copy may not have the pods that were made a moment ago.
    const labelSelector = formatLabelSelector(labelRequirements(set.spec.selector));
    const found = await client.list(RESOURCES.Pod, { namespace: ref.namespace, labelSelector, signal });
    const active = found.filter((pod) => isOwnedBy(pod, set.metadata.uid) && isActive(pod));
    const wanted = set.spec.replicas ?? 1;
    for (let missing = wanted - active.length; missing > 0; missing--) await createPod(set, signal);
    const expendable = expendableFirst(active).slice(0, Math.max(active.length - wanted, 0));
    for (const pod of expendable) await client.delete(RESOURCES.Pod, pod.metadata, { signal });
    await writeStatus(set, active, signal);
  }

  async function createPod(set: ReplicaSet, signal: AbortSignal): Promise<void> {
    const { template } = set.spec;
    if (template === undefined) return;
    const { namespace = "", name } = set.metadata;
    const metadata = {
      ...template.metadata,
      namespace,
      generateName: `${name}-`,
      ownerReferences: [controlledBy(set)],
    };
    await client.create<Pod>(RESOURCES.Pod, { metadata, spec: template.spec }, { signal });
  }

  async function writeStatus(set: ReplicaSet, active: readonly Pod[], signal: AbortSignal): Promise<void> {
    const ready = active.filter(isReady).length;
    const status = {
      replicas: active.length,
      readyReplicas: ready,
      availableReplicas: ready,
      observedGeneration: set.metadata.generation ?? 0,
    };
    await client.mergePatch(RESOURCES.ReplicaSet, set.metadata, { status }, { subresource: "status", signal });
  }

  const reconciler = new Reconciler({ name: "replica-sets", reconcile }, deps);
  const stack = new AsyncDisposableStack();
  stack.use(reconciler);
  stack.use(
    state.replicaSets.subscribe((changes) => {
      for (const { key, after } of changes) if (after !== undefined) reconciler.add(key);
    }),
  );
  stack.use(
    state.pods.subscribe((changes) => {
      for (const { before, after } of changes) {
        const key = replicaSetOf(after ?? before);
        if (key !== undefined) reconciler.add(key);
      }
    }),
  );
  return stack;
}

/** Key of the ReplicaSet that controls a pod. */
export function replicaSetOf(pod: Pod | undefined): string | undefined {
  const owner = pod?.metadata.ownerReferences?.find(
    ({ kind, controller }) => controller === true && kind === "ReplicaSet",
  );
  return owner && objectKey({ name: owner.name, namespace: pod?.metadata.namespace });
}
