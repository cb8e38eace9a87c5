// SPDX-License-Identifier: Apache-2.0
import type { ConfigReader } from "@ambientmesh/core";

/** A setting of Istio's agent that this one doesn't follow (Istio 1.31, install-cni). */
interface UnsupportedSetting {
  readonly name: string;
  /** Values that ask for nothing else than what happens anyway. */
  readonly harmless: readonly string[];
  /** "refuse": ignoring it would break a promise. "warn": the mesh works without. */
  readonly effect: "refuse" | "warn";
  readonly reason: string;
}

const NO_REPAIR = "pods with sidecars are not repaired by this version";

const refuse = (name: string, reason: string, ...harmless: string[]): UnsupportedSetting => ({
  name,
  harmless,
  effect: "refuse",
  reason,
});
const warn = (name: string, reason: string, ...harmless: string[]): UnsupportedSetting => ({
  name,
  harmless,
  effect: "warn",
  reason,
});

const SETTINGS: readonly UnsupportedSetting[] = [
  refuse("AMBIENT_ENABLED", "this agent does nothing but ambient", "true"),
  refuse("EBPF_ENABLED", "redirection by eBPF is not part of this version", "false"),
  refuse("AMBIENT_DISABLE_SAFE_UPGRADE", "rules always stay when the agent stops", "false"),
  warn(
    "ENABLE_AMBIENT_DETECTION_RETRY",
    "the plugin asks the API server by itself when the agent does not answer",
    "false",
  ),
  warn("REPAIR_ENABLED", NO_REPAIR, "false"),
  warn("REPAIR_REPAIR_PODS", NO_REPAIR, "false"),
  warn("REPAIR_DELETE_PODS", NO_REPAIR, "false"),
  warn("REPAIR_LABEL_PODS", NO_REPAIR, "false"),
];

/** Refuses what can't be done, and returns what has to be said at start about the rest. */
export function readUnsupported(reader: ConfigReader): readonly string[] {
  const warnings: string[] = [];
  for (const { name, harmless, effect, reason } of SETTINGS) {
    const value = reader.string({ name, default: undefined, description: `Not followed: ${reason}.` }) ?? "";
    if (value === "" || harmless.includes(value)) continue;
    const text = `${name}=${value}: ${reason}`;
    if (effect === "refuse") reader.problem(text);
    else warnings.push(text);
  }
  return warnings;
}
