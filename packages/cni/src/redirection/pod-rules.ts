// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { DualStackAddress, PodRules } from "./redirection.ts";

/** What holds for pods that say nothing else. */
export interface RuleDefaults {
  readonly hasDnsCapture: boolean;
  readonly hasIpv6: boolean;
  readonly probeSource: DualStackAddress;
  readonly hasProbeHopCheck: boolean;
}

/** The rules of a pod, and what of its annotations was not understood. */
export interface PodRulesResult {
  readonly rules: PodRules;
  readonly problems: readonly string[];
}

// Names end up inside rules, so nothing that these languages could take for more than a name.
const INTERFACE_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,14}$/;
const MAX_INTERFACES = 16;

/** Reads the annotations that change how a pod is redirected (Istio 1.31; reference of the CNI agent). */
export function podRules(annotations: Readonly<Record<string, string>>, defaults: RuleDefaults): PodRulesResult {
  const problems: string[] = [];
  const flag = (key: string): boolean | undefined => {
    const text = annotations[key];
    if (text !== undefined && text !== "true" && text !== "false") {
      problems.push(`annotation ${key}="${text}" is neither "true" nor "false" and was ignored`);
    }
    return text === "true" || text === "false" ? text === "true" : undefined;
  };
  const hasInboundCapture = flag(KEYS.BYPASS_INBOUND_CAPTURE) !== true;
  const hasDnsCapture = flag(KEYS.DNS_CAPTURE) ?? defaults.hasDnsCapture;
  const { names, problem } = interfaceNames(annotations[KEYS.REROUTE_VIRTUAL_INTERFACES]);
  if (problem !== undefined) problems.push(`annotation ${KEYS.REROUTE_VIRTUAL_INTERFACES} ${problem}`);
  const rules: PodRules = {
    hasInboundCapture,
    // Whoever is not captured on the way in has no DNS rules either.
    hasDnsCapture: hasInboundCapture && hasDnsCapture,
    outboundInterfaces: names,
    hasIpv6: defaults.hasIpv6,
    probeSource: defaults.probeSource,
    hasProbeHopCheck: defaults.hasProbeHopCheck,
  };
  return { rules, problems };
}

function interfaceNames(text = ""): { readonly names: readonly string[]; readonly problem?: string } {
  const given = text
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const unique = [...new Set(given)];
  const names = unique.filter((name) => INTERFACE_NAME.test(name)).slice(0, MAX_INTERFACES);
  if (names.length === unique.length) return { names };
  const dropped = unique.filter((name) => !names.includes(name)).slice(0, MAX_INTERFACES);
  return { names, problem: `names what can't be an interface, or more than ${MAX_INTERFACES}: ${dropped.join(", ")}` };
}
