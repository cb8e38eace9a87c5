// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES, kubeErrors, objectKey } from "@ambientmesh/kube";
import type { ControllerDeps } from "./cluster-state.ts";
import { Reconciler } from "./reconciler.ts";

/** Keeps certain pods there, as a DaemonSet keeps one on each node: one that is deleted comes back. */
export function startDaemons(pods: readonly Pod[], deps: ControllerDeps): AsyncDisposable {
  const { client, state } = deps;
  const byKey = new Map(pods.map((pod) => [objectKey(pod.metadata), pod]));

  async function reconcile(key: string, signal: AbortSignal): Promise<void> {
    const pod = byKey.get(key);
    if (pod === undefined || (await client.find(RESOURCES.Pod, pod.metadata, { signal })) !== undefined) return;
    try {
      await client.create<Pod>(RESOURCES.Pod, pod, { signal });
    } catch (error) {
      if (!kubeErrors.is(error, "KUBE_ALREADY_EXISTS")) throw error;
    }
  }

  const reconciler = new Reconciler({ name: "daemons", reconcile }, deps);
  for (const key of byKey.keys()) reconciler.add(key);
  const stack = new AsyncDisposableStack();
  stack.use(reconciler);
  stack.use(
    state.pods.subscribe((changes) => {
      for (const { key, after } of changes) if (after === undefined && byKey.has(key)) reconciler.add(key);
    }),
  );
  return stack;
}
