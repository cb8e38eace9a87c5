// SPDX-License-Identifier: Apache-2.0
import { linuxErrors } from "../errors.ts";
import { createNetns } from "../netns/in-netns.ts";
import type { NetnsRef } from "../netns/netns.ts";
import type { RulesOptions } from "../nftables/nft.ts";
import { inCgroupNamespace, runTool } from "../process/run.ts";

/** The kernel interface a build of iptables speaks. Rules of one are invisible to the other. */
export type IptablesVariant = "legacy" | "nft";

/** One installed build of iptables. */
export interface IptablesTool {
  readonly variant: IptablesVariant;
  /** "1.8.9" */
  readonly version: string;
  /** What its programs' names begin with, for IPv4 and IPv6: "iptables-nft", "ip6tables-nft". */
  readonly programs: Readonly<Record<IpVersion, string>>;
}

/** Which of both protocols. */
export type IpVersion = 4 | 6;

const SUFFIXES = ["-nft", "-legacy", ""];
// Releases before 1.8 had one variant and did not name it.
const VERSION = /v(\d[\w.]*)(?: \((nf_tables|legacy)\))?/;

/** The builds of iptables on this machine, one per variant, nft before legacy. Empty if there is none. */
export async function detectIptables(signal?: AbortSignal): Promise<readonly IptablesTool[]> {
  const found = new Map<IptablesVariant, IptablesTool>();
  for (const suffix of SUFFIXES) {
    const tool = await identify(suffix, signal);
    if (tool && !found.has(tool.variant)) found.set(tool.variant, tool);
  }
  return [...found.values()];
}

/**
 * The build to use in a namespace: the one whose rules are there already, since mixing variants makes packets pass both;
 * otherwise the first that works (an ordinary user's namespace, for example, has no legacy tables).
 * @throws MeshError LINUX_TOOL_MISSING if none is installed; if none works, what the first one said
 */
export async function chooseIptables(options: RulesOptions = {}): Promise<IptablesTool> {
  const usable: IptablesTool[] = [];
  const problems: unknown[] = [];
  for (const tool of await detectIptables(options.signal)) {
    try {
      if (await hasRules(tool, options)) return tool;
      usable.push(tool);
    } catch (error) {
      if (!linuxErrors.is(error)) throw error;
      problems.push(error);
    }
  }
  const [first] = usable;
  if (first) return first;
  throw (
    problems[0] ??
    linuxErrors.create("LINUX_TOOL_MISSING", "iptables is not installed", { details: { tool: "iptables" } })
  );
}

async function hasRules(tool: IptablesTool, options: RulesOptions): Promise<boolean> {
  const saved = [await saveIptables(tool, 4, options), await saveIptables(tool, 6, options)];
  return saved.some((rules) => /^-A /m.test(rules));
}

/**
 * Applies rules in the format of iptables-save. Each table (up to its COMMIT) is one transaction; chains that the text
 * declares are emptied first, all others stay (`--noflush`).
 * @throws MeshError LINUX_TOOL_FAILED (details.stderr names the line), LINUX_CAPABILITY_MISSING, LINUX_FEATURE_MISSING,
 * LINUX_TOOL_MISSING, ABORTED
 */
export async function restoreIptables(
  tool: IptablesTool,
  version: IpVersion,
  rules: string,
  options: RulesOptions = {},
): Promise<void> {
  const { netns, signal } = options;
  // Legacy builds share one lock per machine, hence the wait.
  const command = [`${tool.programs[version]}-restore`, "--noflush", "--wait"] as const;
  await runTool(inCgroupNamespace(command, options), { netns, signal, stdin: rules });
}

/** The rules that are there, in the format of iptables-save. @throws MeshError as {@link restoreIptables} */
export function saveIptables(
  tool: IptablesTool,
  version: IpVersion,
  { netns, signal }: RulesOptions = {},
): Promise<string> {
  return runTool([`${tool.programs[version]}-save`], { netns, signal });
}

/** Saved rules without comments and counters: equal rule sets give equal lines. */
export function comparableIptables(saved: string): readonly string[] {
  return saved
    .split("\n")
    .map((line) => line.replace(/\s*\[\d+:\d+\]\s*/, " ").trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/**
 * What {@link saveIptables} gives, in comparable form, after rules were applied to an empty namespace; compare it with a
 * namespace that should hold them. Costs one short-lived namespace.
 * @throws MeshError as {@link restoreIptables}
 */
export async function canonicalIptables(
  tool: IptablesTool,
  version: IpVersion,
  rules: string,
  { cgroupNamespace, signal }: Omit<RulesOptions, "netns"> = {},
): Promise<readonly string[]> {
  using netns: NetnsRef & Disposable = createNetns();
  const options = { netns, ...(cgroupNamespace !== undefined && { cgroupNamespace }), ...(signal && { signal }) };
  await restoreIptables(tool, version, rules, options);
  return comparableIptables(await saveIptables(tool, version, options));
}

async function identify(suffix: string, signal?: AbortSignal): Promise<IptablesTool | undefined> {
  const programs = { 4: `iptables${suffix}`, 6: `ip6tables${suffix}` };
  try {
    const [, version, variant] = VERSION.exec(await runTool([programs[4], "--version"], { signal })) ?? [];
    if (version === undefined) return undefined;
    return { version, variant: variant === "nf_tables" ? "nft" : "legacy", programs };
  } catch (error) {
    if (linuxErrors.is(error, "LINUX_TOOL_MISSING")) return undefined;
    throw error;
  }
}
