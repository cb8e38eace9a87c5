// SPDX-License-Identifier: Apache-2.0
import { reasonText, type ConnectionFacts, type Verdict } from "@ambientmesh/authz";
import type { Change, Logger } from "@ambientmesh/core";
import { refuse, type Refusal } from "../reasons.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { Workload } from "../state/model.ts";
import type { Connection } from "../telemetry/connections.ts";
import type { PolicyMetrics } from "../telemetry/policy-metrics.ts";

/** The open connections to one workload. */
interface Admitted {
  /** As it was when it was last judged by; it may be removed from the state before its connections end. */
  workload: Workload;
  readonly connections: Map<Connection, ConnectionFacts>;
}

/**
 * Judges connections to a pod, and judges those that are open again whenever policies, or the workload they apply to,
 * change. A connection that is no longer allowed is cut.
 */
export class PolicyGuard implements Disposable {
  readonly #state: MeshState;
  readonly #logger: Logger;
  readonly #metrics: PolicyMetrics;
  readonly #level: "info" | "debug";
  /** By uid of the workload; a pod has one, or two while it is replaced. */
  readonly #admitted = new Map<string, Admitted>();
  readonly #subscriptions: readonly Disposable[];

  constructor(
    deps: { readonly state: MeshState; readonly logger: Logger; readonly metrics: PolicyMetrics },
    options: { readonly isLoggedAsInfo: boolean },
  ) {
    this.#state = deps.state;
    this.#logger = deps.logger;
    this.#metrics = deps.metrics;
    this.#level = options.isLoggedAsInfo ? "info" : "debug";
    this.#subscriptions = [
      deps.state.onPolicies(() => this.#admitted.forEach((admitted) => this.#judgeAgain(admitted))),
      deps.state.onWorkloads((changes) => this.#onWorkloads(changes)),
    ];
  }

  /** A refusal, or undefined if the connection is allowed; then it is watched until {@link release}. */
  admit(connection: Connection, local: Workload, facts: ConnectionFacts): Refusal | undefined {
    const verdict = this.#state.policies.judge(local, facts);
    this.#log(connection, local, verdict);
    this.#metrics.judged(verdict);
    if (!verdict.allowed) {
      return refuse("POLICY_DENIED", `connection closed due to policy rejection: ${reasonText(verdict.reason)}`);
    }
    const admitted = this.#admitted.get(local.uid) ?? {
      workload: local,
      connections: new Map<Connection, ConnectionFacts>(),
    };
    this.#admitted.set(local.uid, admitted);
    admitted.connections.set(connection, facts);
    return undefined;
  }

  /** The connection is over. */
  release(connection: Connection): void {
    for (const [uid, { connections }] of this.#admitted) {
      if (connections.delete(connection) && connections.size === 0) this.#admitted.delete(uid);
    }
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    this.#admitted.clear();
  }

  #onWorkloads(changes: readonly Change<Workload>[]): void {
    for (const { key } of changes) {
      const admitted = this.#admitted.get(key);
      if (admitted) this.#judgeAgain(admitted);
    }
  }

  #judgeAgain(admitted: Admitted): void {
    // Of now: policies that select the workload since then count as well.
    admitted.workload = this.#state.workloads.byUid(admitted.workload.uid) ?? admitted.workload;
    const { workload, connections } = admitted;
    for (const [connection, facts] of connections) {
      const verdict = this.#state.policies.judge(workload, facts);
      if (verdict.allowed) continue;
      this.#log(connection, workload, verdict);
      connections.delete(connection);
      connection.cut({
        reason: "POLICY_CHANGED",
        error: `connection closed due to policy change: ${reasonText(verdict.reason)}`,
        endedBy: "proxy",
      });
    }
    if (connections.size === 0) this.#admitted.delete(workload.uid);
  }

  #log({ id, src }: Connection, local: Workload, { allowed, reason, dryRun, ifEnforced }: Verdict): void {
    if (!this.#logger.isEnabled(this.#level)) return;
    const missing = this.#state.policies.missing(local);
    this.#logger[this.#level]("policy decision", {
      connection: id,
      client: src.ip,
      workload: local.uid,
      allowed,
      because: reasonText(reason),
      ...(dryRun.length > 0 && { dryRun: dryRun.map(({ policy, action }) => `${action} ${policy}`).join(", ") }),
      ...(missing.length > 0 && { unknownPolicies: missing.join(", ") }),
      ...(ifEnforced && { allowedIfEnforced: ifEnforced.allowed }),
    });
  }
}
