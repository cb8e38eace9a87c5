// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import { linuxErrors } from "../errors.ts";
import { createNetns } from "../netns/in-netns.ts";
import type { NetnsRef } from "../netns/netns.ts";
import { inCgroupNamespace, runProgram, runTool, toolError } from "../process/run.ts";

/** One object of nft's JSON output: `{ "table": {…} }`, `{ "chain": {…} }`, `{ "rule": {…} }`, … (libnftables-json(5)). */
export type NftObject = Readonly<Record<string, unknown>>;

/** A table of nftables by family and name. */
export interface NftTable {
  readonly family: "arp" | "bridge" | "inet" | "ip" | "ip6" | "netdev";
  readonly name: string;
}

/** Where rules are applied. */
export interface RulesOptions {
  /** Unset: the namespace of this process. */
  readonly netns?: NetnsRef;
  /**
   * A file that stands for a control group namespace (`/proc/1/ns/cgroup`), in which control groups that rules name are
   * looked up. Unset: that of this process.
   */
  readonly cgroupNamespace?: string;
  readonly signal?: AbortSignal;
}

/** What `nft` on this machine can do. */
export interface NftTool {
  /** "1.0.6" */
  readonly version: string;
  /** Listing needs nft to be built with JSON. */
  readonly hasJson: boolean;
}

/** The installed nft, or undefined if there is none. */
export async function detectNft(signal?: AbortSignal): Promise<NftTool | undefined> {
  try {
    const text = await runTool(["nft", "-V"], { signal });
    return { version: /v(\d[\w.]*)/.exec(text)?.[1] ?? "unknown", hasJson: /json:\s*yes/.test(text) };
  } catch (error) {
    if (linuxErrors.is(error, "LINUX_TOOL_MISSING")) return undefined;
    throw error;
  }
}

/**
 * Applies a rule set in nft's language as one transaction: all of it, or nothing. To replace a table write
 * `table inet x; delete table inet x;` in front of its new definition.
 * @throws MeshError LINUX_TOOL_FAILED (details.stderr points at the line), LINUX_TOOL_MISSING,
 * LINUX_CAPABILITY_MISSING, LINUX_FEATURE_MISSING, ABORTED
 */
export async function applyNftables(ruleset: string, options: RulesOptions = {}): Promise<void> {
  const { netns, signal } = options;
  await runTool(inCgroupNamespace(["nft", "-f", "-"], options), { netns, signal, stdin: ruleset });
}

/**
 * What is there: the whole rule set of a namespace, or one table.
 * @returns undefined if the table does not exist
 * @throws MeshError as {@link applyNftables}; LINUX_TOOL_OUTPUT
 */
export async function listNftables(
  { netns, signal }: RulesOptions = {},
  table?: NftTable,
): Promise<readonly NftObject[] | undefined> {
  const what = table ? (["table", table.family, table.name] as const) : (["ruleset"] as const);
  const command = ["nft", "-j", "list", ...what] as const;
  const result = await runProgram([...command], { netns, signal });
  if (result.exitCode === 0) return parseNftJson(result.stdout);
  if (table && /No such file or directory/.test(result.stderr)) return undefined;
  throw toolError(command, result, netns);
}

/** The objects of an nft JSON document. @throws MeshError LINUX_TOOL_OUTPUT */
export function parseNftJson(text: string): readonly NftObject[] {
  try {
    const { nftables } = JSON.parse(text) as { nftables?: unknown };
    if (Array.isArray(nftables)) return nftables as NftObject[];
  } catch (error) {
    throw linuxErrors.create("LINUX_TOOL_OUTPUT", `nft wrote no JSON: ${messageOf(error)}`, { cause: error });
  }
  throw linuxErrors.create("LINUX_TOOL_OUTPUT", 'the JSON that nft wrote has no list "nftables"');
}

const VOLATILE: ReadonlySet<string> = new Set(["handle", "packets", "bytes"]);

/**
 * The objects without what differs between equal rule sets: handles, counts, and the line about nft itself. Two
 * namespaces have the same rules if these are deeply equal.
 */
export function comparableNftables(objects: readonly NftObject[]): readonly NftObject[] {
  return objects.filter((object) => !("metainfo" in object)).map((object) => stripped(object) as NftObject);
}

/**
 * What {@link listNftables} gives, in comparable form, after a rule set was applied to an empty namespace: the way to
 * learn whether a namespace still holds what was once applied. Costs one short-lived namespace.
 * @throws MeshError as {@link applyNftables}
 */
export async function canonicalNftables(
  ruleset: string,
  { cgroupNamespace, signal }: Omit<RulesOptions, "netns"> = {},
): Promise<readonly NftObject[]> {
  using netns = createNetns();
  const options = { netns, ...(cgroupNamespace !== undefined && { cgroupNamespace }), ...(signal && { signal }) };
  await applyNftables(ruleset, options);
  return comparableNftables((await listNftables(options)) ?? []);
}

function stripped(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(stripped);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !VOLATILE.has(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, stripped(inner)]));
}
