// SPDX-License-Identifier: Apache-2.0
import { traceLines } from "../expression/explain.ts";
import type { Explanation } from "./policy-set.ts";
import { reasonText } from "./verdict.ts";

/** An explanation as text: the verdict, then each policy with its conditions, marked yes or no. */
export function explanationText(explanation: Explanation): string {
  const { verdict, policies, missing } = explanation;
  const lines = [`${verdict.allowed ? "allowed" : "denied"}: ${reasonText(verdict.reason)}`];
  if (verdict.ifEnforced) {
    const { allowed, reason } = verdict.ifEnforced;
    lines.push(`with the dry-run policies enforced: ${allowed ? "allowed" : "denied"}: ${reasonText(reason)}`);
  }
  for (const { policy, action, scope, isDryRun, trace } of policies) {
    lines.push(`${action} policy ${policy} (${scope}${isDryRun ? ", dry run" : ""})`, ...traceLines(trace, "  "));
  }
  for (const key of missing) lines.push(`policy ${key} is named by the workload but not known`);
  return lines.join("\n");
}
