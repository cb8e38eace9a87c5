// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES, kubeErrors, objectKey, parseObjectKey, type EventRecorder } from "@ambientmesh/kube";
import type { ControllerDeps } from "./cluster-state.ts";
import { placePod } from "./placement.ts";
import { Reconciler } from "./reconciler.ts";

/** Gives each pod a node. A pod that no node takes stays Pending, with a condition and an event that say why. */
export function startScheduler(deps: ControllerDeps & { readonly events: EventRecorder }): AsyncDisposable {
  const { client, state, events } = deps;
  const waits = ({ metadata, spec }: Pod): boolean =>
    spec.nodeName === undefined && metadata.deletionTimestamp === undefined;

  async function schedule(key: string, signal: AbortSignal): Promise<void> {
    const ref = parseObjectKey(key);
    const pod = await client.find(RESOURCES.Pod, ref, { signal });
    if (pod === undefined || !waits(pod)) return;
    // From the server, not from the live copy: it has the pods that were placed a moment ago.
    const pods = await client.list(RESOURCES.Pod, { signal });
    const placement = placePod(pod, [...state.nodes.values()], pods);
    if ("node" in placement) {
      await bind(pod, placement.node, signal);
      return;
    }
    const condition = { type: "PodScheduled", status: "False", reason: "Unschedulable", message: placement.problem };
    const patch = { status: { conditions: [condition] } };
    await client.mergePatch(RESOURCES.Pod, ref, patch, { subresource: "status", signal });
    events.record(pod, { type: "Warning", reason: "FailedScheduling", message: placement.problem });
  }

  async function bind(pod: Pod, node: string, signal: AbortSignal): Promise<void> {
    const { uid } = pod.metadata;
    try {
      await client.mergePatch(RESOURCES.Pod, pod.metadata, { metadata: { uid }, spec: { nodeName: node } }, { signal });
    } catch (error) {
      // Gone, or another pod of the same name by now, which has its own turn.
      if (kubeErrors.is(error, "KUBE_NOT_FOUND") || kubeErrors.is(error, "KUBE_CONFLICT")) return;
      throw error;
    }
    const message = `Successfully assigned ${objectKey(pod.metadata)} to ${node}`;
    events.record(pod, { type: "Normal", reason: "Scheduled", message });
  }

  const reconciler = new Reconciler({ name: "scheduler", reconcile: schedule }, deps);
  const pods = state.pods.subscribe((changes) => {
    for (const { key, after } of changes) if (after !== undefined && waits(after)) reconciler.add(key);
  });
  const nodes = state.nodes.subscribe(() => {
    for (const [key, pod] of state.pods.entries()) if (waits(pod)) reconciler.add(key);
  });
  const stack = new AsyncDisposableStack();
  stack.use(reconciler);
  stack.use(pods);
  stack.use(nodes);
  return stack;
}
