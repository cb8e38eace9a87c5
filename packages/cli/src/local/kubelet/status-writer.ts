// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { TaskGroup, type Clock, type Logger } from "@ambientmesh/core";
import type { Pod, PodStatus } from "@ambientmesh/api/kubernetes";
import { RESOURCES, kubeErrors, objectKey, type KubeClient } from "@ambientmesh/kube";

export interface StatusWriterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

const RETRY_MS = 500;

/** Writes pods' statuses to the API: of each pod one at a time, and only the latest. */
export class StatusWriter implements AsyncDisposable {
  readonly #deps: StatusWriterDeps;
  readonly #tasks: TaskGroup;
  /** Latest status by uid of the pod. */
  readonly #latest = new Map<string, { readonly pod: Pod; readonly status: PodStatus }>();
  readonly #writing = new Map<string, Promise<void>>();

  constructor(deps: StatusWriterDeps) {
    this.#deps = deps;
    this.#tasks = new TaskGroup({
      onCrash: (task, error) => deps.logger.error("a pod's status could not be written", { task, error }),
    });
  }

  publish(pod: Pod, status: PodStatus): void {
    const uid = pod.metadata.uid ?? "";
    if (this.#tasks.signal.aborted) return;
    this.#latest.set(uid, { pod, status });
    if (this.#writing.has(uid)) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#writing.set(uid, promise);
    this.#tasks.run(`status of ${objectKey(pod.metadata)}`, async (signal) => {
      try {
        await this.#write(uid, signal);
      } finally {
        this.#latest.delete(uid);
        this.#writing.delete(uid);
        resolve();
      }
    });
  }

  /** Resolves when the pod's latest status is in the API. */
  async flush(uid: string): Promise<void> {
    await this.#writing.get(uid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tasks[Symbol.asyncDispose]();
  }

  async #write(uid: string, signal: AbortSignal): Promise<void> {
    let written: PodStatus | undefined;
    for (let next = this.#latest.get(uid); next !== undefined; next = this.#latest.get(uid)) {
      const { pod, status } = next;
      if (isDeepStrictEqual(status, written)) return;
      try {
        const patch = { metadata: { uid }, status };
        await this.#deps.client.mergePatch(RESOURCES.Pod, pod.metadata, patch, { subresource: "status", signal });
        written = status;
      } catch (error) {
        // Deleted, or another pod has its name by now.
        if (kubeErrors.is(error, "KUBE_NOT_FOUND") || kubeErrors.is(error, "KUBE_CONFLICT")) return;
        this.#deps.logger.debug("a pod's status is written again", { pod: pod.metadata.name, error });
        await this.#deps.clock.sleep(RETRY_MS, signal);
      }
    }
  }
}
