// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { messageOf, type Clock, type Logger } from "@ambientmesh/core";
import { objectKey, type EventRecorder, type KubeClient } from "@ambientmesh/kube";
import { uidOf } from "../pods/pod-facts.ts";
import type { MeshConditions } from "./mesh-condition.ts";
import { writeRedirectionStatus } from "./redirection-annotation.ts";

export interface FailureReportDeps {
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly conditions: MeshConditions;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Reason = "AmbientAnnotationIgnored" | "AmbientEnrolmentFailed";

const REASONS: readonly Reason[] = ["AmbientAnnotationIgnored", "AmbientEnrolmentFailed"];
/** Work is repeated within seconds; users are not told the same again that often. */
const REMIND_MS = 60_000;

/** Says where users look (the pod's events, its annotation) that a pod is not in the mesh as it should be. */
export class FailureReport {
  readonly #deps: FailureReportDeps;
  /** What was last said, by reason and pod. */
  readonly #said = new Map<string, { readonly text: string; readonly atMs: number }>();

  constructor(deps: FailureReportDeps) {
    this.#deps = deps;
  }

  /** The pod can't join (yet). Never rejects: the failure itself is what matters to the caller. */
  async failed(pod: Pod, error: unknown, signal?: AbortSignal): Promise<void> {
    const { client, conditions, logger } = this.#deps;
    const name = objectKey(pod.metadata);
    const message = messageOf(error);
    if (this.#say(pod, "AmbientEnrolmentFailed", message)) {
      logger.warn("a pod can't join the mesh", { pod: name, uid: pod.metadata.uid, error });
    }
    try {
      await writeRedirectionStatus(client, pod, "pending", signal);
      await conditions.set(pod, { isReady: false, reason: "EnrolmentFailed", message }, signal);
    } catch (problem) {
      logger.warn("a pod's redirection annotation can't be written", { pod: name, error: problem });
    }
  }

  /** Something a user wrote on the pod has no effect. */
  ignored(pod: Pod, problems: readonly string[]): void {
    if (problems.length > 0) this.#say(pod, "AmbientAnnotationIgnored", problems.join("; "));
  }

  /** The pod is in the mesh, or gone: the next failure is news again. */
  settled(uid: string): void {
    for (const reason of REASONS) this.#said.delete(`${reason} ${uid}`);
  }

  /** False if that was said just now. */
  #say(pod: Pod, reason: Reason, text: string): boolean {
    const { clock, events } = this.#deps;
    const key = `${reason} ${uidOf(pod)}`;
    const nowMs = clock.monotonicMs();
    const before = this.#said.get(key);
    if (before?.text === text && nowMs - before.atMs < REMIND_MS) return false;
    this.#said.set(key, { text, atMs: nowMs });
    events.record(pod, { type: "Warning", reason, message: text });
    return true;
  }
}
