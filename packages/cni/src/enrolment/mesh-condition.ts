// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { Condition, Pod } from "@ambientmesh/api/kubernetes";
import { messageOf, type Clock, type Logger } from "@ambientmesh/core";
import { RESOURCES, kubeErrors, objectKey, slimPod, type KubeClient } from "@ambientmesh/kube";
import { uidOf } from "../pods/pod-facts.ts";

/** Type of the condition on pods; readiness gates can name it. */
export const MESH_READY = "ambientmesh.io/MeshReady";
const FIELD_MANAGER = "istio-cni-node";

/** What the condition says. */
export interface MeshReadiness {
  readonly isReady: boolean;
  /** One word in CamelCase. */
  readonly reason: string;
  readonly message: string;
}

/** Keeps of a pod what the agent needs, its own condition included. */
export function agentsPod(pod: Pod): Pod {
  const slim = slimPod(pod);
  const condition = conditionOf(pod);
  if (!condition) return slim;
  return { ...slim, status: { ...slim.status, conditions: [...(slim.status?.conditions ?? []), condition] } };
}

/** Says on pods whether they are in the mesh as they should be. Writes only what is news, and owns nothing else there. */
export class MeshConditions {
  readonly #deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger };
  /** What was written last, since the live copy of a pod is behind; undefined: nothing is left there. */
  readonly #written = new Map<string, Condition | undefined>();

  constructor(deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger }) {
    this.#deps = deps;
  }

  /** Never rejects: it is written at the next occasion. */
  async set(pod: Pod, { isReady, reason, message }: MeshReadiness, signal?: AbortSignal): Promise<void> {
    const before = this.#current(pod);
    const status = isReady ? "True" : "False";
    const nowText = `${new Date(this.#deps.clock.now()).toISOString().slice(0, 19)}Z`;
    const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? nowText) : nowText;
    const condition: Condition = { type: MESH_READY, status, reason, message, lastTransitionTime };
    if (!isDeepStrictEqual(condition, before)) await this.#write(pod, condition, signal);
  }

  /** The pod is to be outside the mesh. Never rejects. */
  async clear(pod: Pod, signal?: AbortSignal): Promise<void> {
    if (this.#current(pod)) await this.#write(pod, undefined, signal);
  }

  /** The pod is gone. */
  forget(uid: string): void {
    this.#written.delete(uid);
  }

  #current(pod: Pod): Condition | undefined {
    const uid = uidOf(pod);
    return this.#written.has(uid) ? this.#written.get(uid) : conditionOf(pod);
  }

  async #write(pod: Pod, condition: Condition | undefined, signal: AbortSignal | undefined): Promise<void> {
    const { client, logger } = this.#deps;
    const { name, namespace, uid } = pod.metadata;
    const status = { conditions: condition ? [condition] : [] };
    try {
      await client.apply(
        RESOURCES.Pod,
        {
          metadata: { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) },
          status,
        },
        { fieldManager: FIELD_MANAGER, isForced: true, subresource: "status", ...(signal && { signal }) },
      );
      this.#written.set(uidOf(pod), condition);
    } catch (error) {
      if (signal?.aborted === true || kubeErrors.is(error, "KUBE_NOT_FOUND") || kubeErrors.is(error, "KUBE_CONFLICT")) {
        return;
      }
      logger.warn("a pod's condition can't be written", { pod: objectKey(pod.metadata), error: messageOf(error) });
    }
  }
}

function conditionOf({ status }: Pod): Condition | undefined {
  return status?.conditions?.find(({ type }) => type === MESH_READY);
}
