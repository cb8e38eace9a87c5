// SPDX-License-Identifier: Apache-2.0
import type { Pod } from "@ambientmesh/api/kubernetes";
import { messageOf, type Clock, type Logger, type Metrics } from "@ambientmesh/core";
import type { Enroller } from "../enrolment/enroller.ts";
import type { KeyedLock } from "../enrolment/keyed-lock.ts";
import { PeriodicWork } from "../periodic-work.ts";
import type { Redirection } from "../redirection/redirection.ts";
import type { EchoResult, EchoResults } from "./echo-results.ts";
import { PodProofs, type Proof, type ProofProblem } from "./pod-proof.ts";
import type { ProofReport } from "./proof-report.ts";

export interface ProverDeps {
  readonly enroller: Pick<Enroller, "get" | "reapply" | "reoffer" | "uids">;
  readonly redirection: Redirection;
  readonly podOf: (uid: string) => Pod | undefined;
  /** The addresses that a pod's namespace has to hold one of. */
  readonly addressesOf: (uid: string) => readonly string[];
  /** Has the pod enrolled anew. */
  readonly lookAt: (uid: string) => void;
  readonly isProxyConnected: () => boolean;
  readonly echoes: EchoResults;
  readonly report: ProofReport;
  /** Held per pod uid; shared with whoever else works on pods. */
  readonly lock: KeyedLock;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface ProverOptions {
  readonly intervalMs: number;
}

/** Pods looked at at a time. A look costs a system call or two while nothing has changed, a few processes otherwise. */
const CONCURRENCY = 2;
type Echoes = ReadonlyMap<string, EchoResult> | undefined;

/**
 * Proves again and again that every pod of the mesh is in it (what its annotation says is no proof), repairs what can be
 * repaired, and says what can't be.
 */
export class Prover implements AsyncDisposable {
  readonly #deps: ProverDeps;
  readonly #proofs: PodProofs;
  readonly #work: PeriodicWork;
  readonly #looks: ReturnType<typeof declareMetrics>;

  constructor(deps: ProverDeps, { intervalMs }: ProverOptions) {
    this.#deps = deps;
    this.#proofs = new PodProofs({ ...deps, maxEchoAgeMs: 3 * intervalMs });
    this.#looks = declareMetrics(deps.metrics);
    this.#work = new PeriodicWork(deps, { name: "prove pods", intervalMs, work: (signal) => this.#proveAll(signal) });
  }

  start(): void {
    this.#work.start();
  }

  /** Something has changed that is worth a look. */
  wakeUp(): void {
    this.#work.wakeUp();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work[Symbol.asyncDispose]();
  }

  async #proveAll(signal: AbortSignal): Promise<void> {
    const { echoes, enroller, report } = this.#deps;
    const results = await echoes.latest(signal);
    const uids = enroller.uids.values();
    const work = async (): Promise<void> => {
      for (const uid of uids) if (!signal.aborted) await this.#prove(uid, results, signal);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
    for (const uid of report.keepOnly(new Set(enroller.uids))) this.#proofs.forget(uid);
  }

  async #prove(uid: string, echoes: Echoes, signal: AbortSignal): Promise<void> {
    await this.#deps.lock.run(uid, async () => {
      const first = await this.#look(uid, echoes);
      if (!first || signal.aborted) return;
      if (first.kind === "proved") return this.#conclude(uid, first, undefined, signal);
      await this.#repair(uid, first.problem);
      const second = await this.#look(uid, echoes);
      if (second) await this.#conclude(uid, second, first.problem, signal);
    });
  }

  /** Undefined for a pod that is on its way out. */
  async #look(uid: string, echoes: Echoes): Promise<Proof | undefined> {
    const pod = this.#deps.enroller.get(uid);
    if (!pod || pod.isLeaving) return undefined;
    return this.#proofs.prove(pod, this.#deps.addressesOf(uid), echoes?.get(uid));
  }

  async #repair(uid: string, problem: ProofProblem): Promise<void> {
    const { enroller, lookAt, logger } = this.#deps;
    try {
      switch (problem) {
        case "NetnsReplaced":
          return lookAt(uid);
        case "ListenersMissing":
          // One that has not said yet that it serves the pod is told of it anyway, when it connects.
          if (enroller.get(uid)?.isServed === true) await enroller.reoffer(uid);
          return;
        case "RulesMissing":
        case "RulesAltered":
          return await enroller.reapply(uid);
        // Neither of these says what could be done.
        case "EchoFailed":
        case "NotProvable":
          return;
      }
    } catch (error) {
      logger.warn("a pod of the mesh can't be repaired", { uid, problem, error: messageOf(error) });
    }
  }

  async #conclude(uid: string, proof: Proof, before: ProofProblem | undefined, signal: AbortSignal): Promise<void> {
    this.#looks.with({ result: proof.kind === "proved" ? "proved" : proof.problem }).add();
    const pod = this.#deps.podOf(uid);
    if (pod)
      await this.#deps.report.tell(pod, { proof, repaired: proof.kind === "proved" ? before : undefined }, signal);
  }
}

function declareMetrics(metrics: Metrics): ReturnType<typeof metrics.counter<"result">> {
  return metrics.counter<"result">({
    name: "nodeagent_pod_proofs_total",
    help: "Looks at pods of the mesh, by what was found at their end.",
    labels: ["result"],
  });
}
