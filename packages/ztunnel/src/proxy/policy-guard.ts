// SPDX-License-Identifier: Apache-2.0
import { reasonText, type ConnectionFacts, type Verdict } from "@ambientmesh/authz";
import type { Change, Logger } from "@ambientmesh/core";
import { refuse, type Refusal } from "../reasons.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { Workload } from "../state/model.ts";
import type { Connection } from "../telemetry/connections.ts";

interface Admitted {
  readonly facts: ConnectionFacts;
  readonly local: Workload;
}

/**
 * Judges connections to a pod, and judges those that are open again whenever policies, or the workload they apply to,
 * change. A connection that is no longer allowed is cut.
 */
export class PolicyGuard implements Disposable {
  readonly #state: MeshState;
  readonly #logger: Logger;
  readonly #level: "info" | "debug";
  readonly #admitted = new Map<Connection, Admitted>();
  readonly #subscriptions: readonly Disposable[];

  constructor(
    deps: { readonly state: MeshState; readonly logger: Logger },
    options: { readonly isLoggedAsInfo: boolean },
  ) {
    this.#state = deps.state;
    this.#logger = deps.logger;
    this.#level = options.isLoggedAsInfo ? "info" : "debug";
    this.#subscriptions = [
      deps.state.onPolicies(() => this.#judgeAgain(() => true)),
      deps.state.onWorkloads((changes) => this.#onWorkloads(changes)),
    ];
  }

  /** A refusal, or undefined if the connection is allowed; then it is watched until {@link release}. */
  admit(connection: Connection, local: Workload, facts: ConnectionFacts): Refusal | undefined {
    const verdict = this.#state.policies.judge(local, facts);
    this.#log(connection, local, verdict);
    if (!verdict.allowed) {
      return refuse("POLICY_DENIED", `connection closed due to policy rejection: ${reasonText(verdict.reason)}`);
    }
    this.#admitted.set(connection, { facts, local });
    return undefined;
  }

  /** The connection is over. */
  release(connection: Connection): void {
    this.#admitted.delete(connection);
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    this.#admitted.clear();
  }

  #onWorkloads(changes: readonly Change<Workload>[]): void {
    const changed = new Set(changes.map(({ key }) => key));
    this.#judgeAgain(({ local }) => changed.has(local.uid));
  }

  #judgeAgain(isConcerned: (admitted: Admitted) => boolean): void {
    for (const [connection, admitted] of this.#admitted) {
      if (!isConcerned(admitted)) continue;
      // Of now: policies that select the workload since then count as well.
      const local = this.#state.workloads.byUid(admitted.local.uid) ?? admitted.local;
      const verdict = this.#state.policies.judge(local, admitted.facts);
      if (verdict.allowed) continue;
      this.#log(connection, local, verdict);
      this.#admitted.delete(connection);
      connection.cut({
        reason: "POLICY_CHANGED",
        error: `connection closed due to policy change: ${reasonText(verdict.reason)}`,
        endedBy: "proxy",
      });
    }
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
