// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import type { CounterSeries, GaugeSeries, Logger, Metrics } from "@ambientmesh/core";
import { objectKey, type EventRecorder } from "@ambientmesh/kube";
import type { MeshConditions } from "../enrolment/mesh-condition.ts";
import { uidOf } from "../pods/pod-facts.ts";
import type { Proof, ProofProblem } from "./pod-proof.ts";

export interface ProofReportDeps {
  readonly conditions: MeshConditions;
  readonly events: EventRecorder;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What is known of a pod after a look, and a repair if there was one. */
export interface ProofNews {
  readonly proof: Proof;
  /** What was wrong before, and is not any more. */
  readonly repaired: ProofProblem | undefined;
}

/** Says where users look (condition, events, metrics, log) whether pods of the mesh are proved to be in it. */
export class ProofReport {
  readonly #deps: ProofReportDeps;
  /** The problem each pod has, or undefined for none. */
  readonly #known = new Map<string, ProofProblem | undefined>();
  readonly #disproved: GaugeSeries;
  readonly #repairs: (problem: ProofProblem) => CounterSeries;

  constructor(deps: ProofReportDeps) {
    this.#deps = deps;
    const { metrics } = deps;
    this.#disproved = metrics
      .gauge({ name: "nodeagent_disproved_pods", help: "Pods that should be in the mesh and were found not to be." })
      .with({});
    this.#disproved.set(0);
    const repairs = metrics.counter<"problem">({
      name: "nodeagent_pod_repairs_total",
      help: "Pods that were found outside the mesh, or not served, and were brought back.",
      labels: ["problem"],
    });
    this.#repairs = (problem) => repairs.with({ problem });
  }

  /** Never rejects. */
  async tell(pod: Pod, { proof, repaired }: ProofNews, signal?: AbortSignal): Promise<void> {
    const { conditions, events, logger } = this.#deps;
    const uid = uidOf(pod);
    const name = objectKey(pod.metadata);
    const before = this.#known.get(uid);
    const problem = proof.kind === "disproved" ? proof.problem : undefined;
    this.#remember(uid, problem);
    if (proof.kind === "disproved") {
      if (before !== proof.problem) {
        logger.error("a pod is not in the mesh as it should be", { pod: name, uid, problem, reason: proof.message });
        events.record(pod, { type: "Warning", reason: "AmbientProofFailed", message: proof.message });
      }
      return conditions.set(pod, { isReady: false, reason: proof.problem, message: proof.message }, signal);
    }
    const cured = repaired ?? before;
    if (cured !== undefined) {
      this.#repairs(cured).add();
      logger.warn("a pod is in the mesh again", { pod: name, uid, problem: cured });
      const message = `the pod is in the mesh again; what had been wrong: ${cured}`;
      events.record(pod, { type: "Warning", reason: "AmbientRepaired", message });
    }
    const message = "its traffic is redirected to a node proxy that listens in it";
    return conditions.set(pod, { isReady: true, reason: "Proved", message }, signal);
  }

  /** Forgets all other pods, and says which. */
  keepOnly(uids: ReadonlySet<string>): readonly string[] {
    const gone = [...this.#known.keys()].filter((uid) => !uids.has(uid));
    for (const uid of gone) this.#known.delete(uid);
    this.#count();
    return gone;
  }

  #remember(uid: string, problem: ProofProblem | undefined): void {
    this.#known.set(uid, problem);
    this.#count();
  }

  #count(): void {
    this.#disproved.set([...this.#known.values()].filter((problem) => problem !== undefined).length);
  }
}
