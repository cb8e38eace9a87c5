// SPDX-License-Identifier: Apache-2.0
import { httpAttributesOf, type Rule } from "../objects/rule.ts";
import { isEffective, ruleGroups } from "./rule-groups.ts";

/** What node proxies make of HTTP attributes in a policy, in words; nothing if there are none. */
export function httpWarning(rules: readonly Rule[], action: "allow" | "deny"): string | undefined {
  const attributes = [...new Set(rules.flatMap(httpAttributesOf))].sort();
  if (attributes.length === 0) return undefined;
  return `Node proxies can't judge HTTP attributes (found: ${attributes.join(", ")}). ${consequence(rules, action)}`;
}

function consequence(rules: readonly Rule[], action: "allow" | "deny"): string {
  if (action === "allow") {
    return "Rules that use them are left out of this ALLOW policy, which makes it more restrictive than it reads.";
  }
  if (rules.some((rule) => ruleGroups(rule, action).some(isEffective))) {
    return "This DENY policy is enforced without them, which makes it more restrictive than it reads.";
  }
  return "This DENY policy has no effect: attach it to a waypoint with targetRefs.";
}
