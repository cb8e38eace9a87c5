// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { messageOf, type Logger } from "@ambientmesh/core";
import { objectKey, type EventRecorder, type KubeClient } from "@ambientmesh/kube";
import { writeRedirectionStatus } from "./redirection-annotation.ts";

export interface FailureReportDeps {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly logger: Logger;
}

/** Says where users look (the pod's events, its annotation) that a pod should be in the mesh and is not. */
export class FailureReport {
  readonly #deps: FailureReportDeps;

  constructor(deps: FailureReportDeps) {
    this.#deps = deps;
  }

  /** Never rejects: the failure itself is what matters to the caller. */
  async failed(pod: Pod, error: unknown, signal?: AbortSignal): Promise<void> {
    const { client, events, logger } = this.#deps;
    const message = messageOf(error);
    logger.warn("a pod can't join the mesh", { pod: objectKey(pod.metadata), uid: pod.metadata.uid, error });
    events.record(pod, { type: "Warning", reason: "AmbientEnrolmentFailed", message });
    try {
      await writeRedirectionStatus(client, pod, "pending", signal);
    } catch (problem) {
      logger.warn("a pod's redirection annotation can't be written", { pod: objectKey(pod.metadata), error: problem });
    }
  }

  /** Something a user wrote on the pod has no effect. */
  ignored(pod: Pod, problems: readonly string[]): void {
    for (const message of problems) {
      this.#deps.events.record(pod, { type: "Warning", reason: "AmbientAnnotationIgnored", message });
    }
  }
}
