// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import type { Clock, Logger } from "@ambientmesh/core";
import { RESOURCES, kubeErrors, type EventRecorder, type KubeClient, type Store } from "@ambientmesh/kube";
import type { LogFiles } from "./log-files.ts";
import { PodWorker, type PodWorkerDeps } from "./pod-worker.ts";
import type { StatusWriter } from "./status-writer.ts";

export interface KubeletDeps {
  readonly client: KubeClient;
  readonly pods: Store<Pod>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: EventRecorder;
  readonly statuses: StatusWriter;
  readonly logs: LogFiles;
  readonly createSandbox: PodWorkerDeps["createSandbox"];
}

/** The node whose pods are run. */
export interface KubeletOptions {
  readonly nodeName: string;
  readonly hostIp: string;
}

const NO_GRACE_MS = 0;
const DEFAULT_GRACE_SECONDS = 30;

/** Runs the pods that are bound to one node. */
export class Kubelet implements Disposable {
  readonly #deps: KubeletDeps;
  readonly #options: KubeletOptions;
  readonly #workers = new Map<string, PodWorker>();
  readonly #subscription: Disposable;
  #isStopping = false;

  constructor(deps: KubeletDeps, options: KubeletOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#subscription = deps.pods.subscribe((changes) => {
      for (const { before, after } of changes) this.#onChange(before, after);
    });
  }

  /** The worker of a pod, undefined if the node has no such pod. */
  worker(uid: string): PodWorker | undefined {
    return this.#workers.get(uid);
  }

  /** Takes no more pods. */
  [Symbol.dispose](): void {
    this.#isStopping = true;
    this.#subscription[Symbol.dispose]();
  }

  /**
   * Ends the pods of the node that `isMeant` names, without deleting them from the API. Resolves when nothing of them is
   * left.
   * @param maxGraceMs longest time between SIGTERM and SIGKILL, whatever pods ask for
   */
  async stop(isMeant: (pod: Pod) => boolean, maxGraceMs: number): Promise<void> {
    const meant = [...this.#workers.values()].filter(({ pod }) => isMeant(pod));
    for (const worker of meant) worker.stop(Math.min(graceMsOf(worker.pod), maxGraceMs));
    await Promise.all(meant.map(({ ended }) => ended));
  }

  #onChange(before: Pod | undefined, after: Pod | undefined): void {
    const isReplaced = before !== undefined && before.metadata.uid !== after?.metadata.uid;
    if (isReplaced) this.#workers.get(before.metadata.uid ?? "")?.stop(NO_GRACE_MS);
    if (after?.spec.nodeName !== this.#options.nodeName) return;
    const uid = after.metadata.uid ?? "";
    const known = this.#workers.get(uid);
    const { deletionTimestamp } = after.metadata;
    if (known === undefined && deletionTimestamp === undefined) this.#startWorker(uid, after);
    else if (deletionTimestamp !== undefined && known !== undefined) known.stop(graceMsOf(after));
    else if (deletionTimestamp !== undefined) void this.#forget(uid, after);
  }

  #startWorker(uid: string, pod: Pod): void {
    if (this.#isStopping) return;
    const { clock, logger, events, statuses, createSandbox } = this.#deps;
    const worker = new PodWorker(pod, {
      clock,
      logger,
      hostIp: this.#options.hostIp,
      createSandbox,
      publish: (which, status) => statuses.publish(which, status),
      warn: (which, reason, message) => events.record(which, { type: "Warning", reason, message }),
    });
    this.#workers.set(uid, worker);
    void worker.ended.then(() => this.#forget(uid, pod));
  }

  /** Nothing of the pod is left here: if it is to be deleted, its object may go now. */
  async #forget(uid: string, pod: Pod): Promise<void> {
    const { client, statuses, logs, logger } = this.#deps;
    this.#workers.delete(uid);
    if (this.#isStopping) return;
    try {
      await statuses.flush(uid);
      // Before the name is free for another pod, which would have the same files.
      logs.remove(pod.metadata.namespace ?? "", pod.metadata.name);
      await client.delete(RESOURCES.Pod, pod.metadata, { gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      // Another pod has its name by now.
      if (kubeErrors.is(error, "KUBE_CONFLICT")) return;
      logger.error("a pod that has ended can't be deleted", { pod: pod.metadata.name, error });
    }
  }
}

/** How long a pod's programs may take to end. */
function graceMsOf({ metadata, spec }: Pod): number {
  const seconds = metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  return seconds * 1000;
}
