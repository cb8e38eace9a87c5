// SPDX-License-Identifier: Apache-2.0
import type { Verdict } from "@ambientmesh/authz";
import type { CounterSeries, Family, Metrics } from "@ambientmesh/core";

/** Stands for a policy where the dry-run policies that allow something did not allow this. */
const NONE_ALLOWED = "none allowed";

/** What policies on trial would have done. */
export class PolicyMetrics {
  readonly #dryRun: Family<"policy" | "action" | "if_enforced", CounterSeries>;

  constructor(metrics: Metrics) {
    this.#dryRun = metrics.counter({
      name: "ambientmesh_policy_dry_run_total",
      help: "Connections that a dry-run policy matched, and whether they would be allowed if all dry-run policies were enforced",
      labels: ["policy", "action", "if_enforced"],
    });
  }

  /** One connection was judged for the first time. */
  judged({ allowed, dryRun, ifEnforced }: Verdict): void {
    if (!ifEnforced) return;
    const outcome = ifEnforced.allowed ? "allowed" : "denied";
    for (const { policy, action } of dryRun) this.#dryRun.with({ policy, action, if_enforced: outcome }).add();
    if (dryRun.length > 0 || ifEnforced.allowed === allowed) return;
    this.#dryRun.with({ policy: NONE_ALLOWED, action: "allow", if_enforced: outcome }).add();
  }
}
