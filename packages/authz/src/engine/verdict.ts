// SPDX-License-Identifier: Apache-2.0

/** Why a connection is allowed or not. `policy` is "namespace/name". */
export type Reason =
  | { readonly kind: "no-allow-policies" }
  | { readonly kind: "allowed"; readonly policy: string }
  | { readonly kind: "denied"; readonly policy: string }
  | { readonly kind: "not-allowed" };

/** A dry-run policy that matched. */
export interface DryRunMatch {
  readonly policy: string;
  readonly action: "allow" | "deny";
}

/** The outcome of all policies together. */
export interface Decision {
  readonly allowed: boolean;
  readonly reason: Reason;
}

/** The decision, and what dry-run policies would have made of it. */
export interface Verdict extends Decision {
  /** The dry-run policies that matched, deny before allow. */
  readonly dryRun: readonly DryRunMatch[];
  /** What would be decided if the dry-run policies were enforced; only there if one applies to the workload. */
  readonly ifEnforced?: Decision;
}

/** The reason in words. Refusals read as in ztunnel's logs, which operators and tests match. */
export function reasonText(reason: Reason): string {
  switch (reason.kind) {
    case "no-allow-policies":
      return "no allow policies";
    case "allowed":
      return `allowed by: ${reason.policy}`;
    case "denied":
      return `explicitly denied by: ${reason.policy}`;
    case "not-allowed":
      return "allow policies exist, but none allowed";
  }
}
