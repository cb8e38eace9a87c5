// SPDX-License-Identifier: Apache-2.0
import type { ChildProcess, StdioOptions } from "node:child_process";
import type { NetnsRef } from "../netns/netns.ts";
import { ownMountNamespace } from "./mount-namespace.ts";
import { spawnProgram } from "./run.ts";

/** A file or folder that the program sees in another's place. */
export interface BindMount {
  readonly source: string;
  /** Has to exist. A symbolic link is followed. */
  readonly target: string;
}

/** How a program is started inside a namespace. */
export interface SpawnInOptions {
  /** Unset: the namespace of this process. */
  readonly netns?: NetnsRef;
  /** Seen by the program and its children only: it gets a mount namespace of its own. Needs CAP_SYS_ADMIN. */
  readonly mounts?: readonly BindMount[];
  /** Folders of control groups to join before the program starts; one per hierarchy. */
  readonly cgroups?: readonly string[];
  /**
   * Sent to the program when the thread that started it ends, however that happens. Default SIGKILL.
   * "none" lets it live on. (A program that is set-user-ID or has file capabilities loses it at its start.)
   */
  readonly parentDeathSignal?: NodeJS.Signals | "none";
  /** Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  readonly stdio?: StdioOptions;
  /** Leads its own process group, so that `process.kill(-pid)` reaches its children too. Default false. */
  readonly detached?: boolean;
}

/** What the starting shell exits with when it can't prepare the program's surroundings; its stderr says why. */
export const SETUP_FAILED_EXIT_CODE = 125;

/**
 * Starts an unmodified program inside given namespaces. It is a direct child: what prepares its surroundings replaces
 * itself by the program (exec), so that signals, PID and exit code are the program's own. Exit code
 * {@link SETUP_FAILED_EXIT_CODE} means that preparation failed, 127 that there is no such program.
 * Uses `setpriv`, `unshare` and `sh` as far as the options need them; if the first of them (or the program, where nothing
 * has to be prepared) is not installed, the child emits "error" with code ENOENT.
 * @throws MeshError LINUX_CAPABILITY_MISSING if the network namespace can't be entered
 */
export function spawnIn(command: readonly [string, ...string[]], options: SpawnInOptions = {}): ChildProcess {
  const { netns, env, cwd, stdio, detached = false } = options;
  return spawnProgram(
    prepareCommand(command, options, process.pid),
    { detached, ...(env && { env }), ...(cwd !== undefined && { cwd }), ...(stdio !== undefined && { stdio }) },
    netns,
  );
}

/** The command line that prepares and then becomes the program. Values are arguments, never part of the script. */
export function prepareCommand(
  command: readonly [string, ...string[]],
  { mounts = [], cgroups = [], parentDeathSignal = "SIGKILL" }: SpawnInOptions,
  parentPid: number,
  mountNamespace: () => readonly string[] = ownMountNamespace,
): [string, ...string[]] {
  const steps: string[] = [];
  const values: string[] = [];
  const add = (step: string, ...stepValues: string[]): void => {
    steps.push(`${step} || exit ${SETUP_FAILED_EXIT_CODE}`, `shift ${stepValues.length}`);
    values.push(...stepValues);
  };
  // The parent may have died before the signal was asked for.
  if (parentDeathSignal !== "none") add('[ "$PPID" = "$1" ]', String(parentPid));
  for (const cgroup of cgroups) add('echo 0 > "$1/cgroup.procs"', cgroup);
  for (const { source, target } of mounts) add('mount --bind -- "$1" "$2"', source, target);
  if (steps.length === 0) return [...command];
  return [
    ...(parentDeathSignal === "none" ? [] : ["setpriv", "--pdeathsig", parentDeathSignal.slice("SIG".length)]),
    ...(mounts.length === 0 ? [] : mountNamespace()),
    "sh",
    "-c",
    [...steps, 'exec "$@"'].join("\n"),
    "sh",
    ...values,
    ...command,
  ] as [string, ...string[]];
}
