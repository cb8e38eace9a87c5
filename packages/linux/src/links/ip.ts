// SPDX-License-Identifier: Apache-2.0
import { messageOf } from "@ambientmesh/core";
import { linuxErrors } from "../errors.ts";
import type { NetnsRef } from "../netns/netns.ts";
import { runProgram, runTool, toolError } from "../process/run.ts";

/** Where and how `ip` is run. */
export interface IpOptions {
  /** Unset: the namespace of this process. */
  readonly netns?: NetnsRef;
  /** Descriptors the lines may name as `/proc/self/fd/3`, `/proc/self/fd/4`, and so on. */
  readonly inheritedFds?: readonly number[];
  /** Sets `-4` or `-6` for all lines; rules (`rule add`) need it. Unset: told by the addresses in each line. */
  readonly version?: 4 | 6;
  readonly signal?: AbortSignal;
}

/**
 * Runs commands of ip(8) in one process, one per line without the word `ip`. The first that fails ends the batch; what
 * went before it stays.
 * @throws MeshError LINUX_TOOL_FAILED (details.line is the line that failed), LINUX_CAPABILITY_MISSING,
 * LINUX_FEATURE_MISSING, LINUX_TOOL_MISSING, ABORTED
 */
export async function ipBatch(lines: readonly string[], options: IpOptions = {}): Promise<void> {
  if (lines.length === 0) return;
  const command = ["ip", ...versionFlag(options), "-batch", "-"] as const;
  const result = await runProgram([...command], { ...options, stdin: `${lines.join("\n")}\n` });
  if (result.exitCode === 0) return;
  const number = /Command failed -:(\d+)/.exec(result.stderr)?.[1];
  const line = number === undefined ? undefined : lines[Number(number) - 1];
  const error = toolError(line === undefined ? command : ["ip", ...line.split(" ")], result, options.netns);
  throw linuxErrors.is(error) && line !== undefined
    ? linuxErrors.create(error.code as "LINUX_TOOL_FAILED", error.message, { details: { ...error.details, line } })
    : error;
}

/**
 * What `ip -json …` prints: links, addresses, routes or rules.
 * @throws MeshError as {@link ipBatch}; LINUX_TOOL_OUTPUT
 */
export async function ipJson(
  args: readonly string[],
  options: IpOptions = {},
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const text = await runTool(["ip", ...versionFlag(options), "-json", "-details", ...args], options);
  if (text.trim() === "") return [];
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>[];
  } catch (error) {
    throw linuxErrors.create("LINUX_TOOL_OUTPUT", `ip wrote no JSON: ${messageOf(error)}`, { cause: error });
  }
}

function versionFlag({ version }: IpOptions): string[] {
  return version === undefined ? [] : [`-${version}`];
}
