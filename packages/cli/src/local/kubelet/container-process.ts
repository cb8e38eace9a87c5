// SPDX-License-Identifier: Apache-2.0
import { accessSync, closeSync, constants, mkdirSync, openSync, statSync } from "node:fs";
import { constants as osConstants } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { messageOf } from "@ambientmesh/core";
import { spawnIn, type BindMount, type NetnsRef } from "@ambientmesh/linux";
import { cliErrors } from "../../errors.ts";
import { processIdentity, type RecordKeeper } from "../run-directory/record.ts";
import type { ContainerEnd } from "./container-state.ts";
import type { ContainerProcess } from "./container-runner.ts";
import { lastLine } from "./log-files.ts";
import type { ContainerCommand } from "./environment.ts";

/** What a program of a container runs in. */
export interface ProcessPlace {
  readonly netns: NetnsRef;
  readonly cwd: string;
  readonly mounts: readonly BindMount[];
  readonly cgroups: readonly string[];
  /** Standard output and error are appended to this file. */
  readonly log: string;
}

/**
 * Starts a container's program as a child of this process that leads a process group of its own.
 * @throws MeshError CLI_POD_FAILED when there is no such program or folder
 */
export async function startContainerProcess(
  { argv, env }: ContainerCommand,
  place: ProcessPlace,
  keeper: RecordKeeper,
): Promise<ContainerProcess> {
  requireFolder(place.cwd);
  requireProgram(argv[0], env["PATH"] ?? "", place.cwd);
  mkdirSync(dirname(place.log), { recursive: true });
  const log = openSync(place.log, "a", 0o600);
  try {
    const { netns, cwd, mounts, cgroups } = place;
    const child = spawnIn(argv, { netns, cwd, mounts, cgroups, env, stdio: ["ignore", log, log], detached: true });
    const ended = Promise.withResolvers<ContainerEnd>();
    const { pid } = child;
    if (pid === undefined) {
      const failed = Promise.withResolvers<Error>();
      child.once("error", failed.resolve);
      throw cliErrors.create("CLI_POD_FAILED", `can't start ${argv[0]}: ${messageOf(await failed.promise)}`);
    }
    const identity = processIdentity(pid);
    if (identity !== undefined) keeper.add("processes", identity);
    child.once("exit", (code, signal) => {
      // What it left behind in its process group would go on in a pod that has ended.
      send(-pid, "SIGKILL");
      if (identity !== undefined) keeper.remove("processes", identity);
      ended.resolve({ code: code ?? exitCodeOf(signal), signal: signal ?? undefined, lastWords: lastLine(place.log) });
    });
    return {
      pid,
      exited: ended.promise,
      signal: (signal) => send(signal === "SIGKILL" ? -pid : pid, signal),
    };
  } finally {
    closeSync(log);
  }
}

/** As shells give it: 128 and the number of the signal. */
export function exitCodeOf(signal: NodeJS.Signals | null): number {
  return signal === null ? 1 : 128 + osConstants.signals[signal];
}

/** Sends a signal to a process, or with a negative number to its group; nothing happens if it is gone. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function requireFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  throw cliErrors.create("CLI_POD_FAILED", `the working directory ${path} is not there`);
}

/** Found out before the start: an exit code of 127 could be the program's own. */
function requireProgram(program: string, searchPath: string, cwd: string): void {
  const folders = program.includes("/") ? [isAbsolute(program) ? "/" : cwd] : searchPath.split(":").filter(Boolean);
  const found = folders.map((folder) => join(folder, program)).find((path) => isExecutable(path));
  if (found !== undefined) return;
  const where = program.includes("/") ? "is not there or can't be executed" : `is not on the PATH ${searchPath}`;
  throw cliErrors.create("CLI_POD_FAILED", `the program "${program}" ${where}`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Not here.
    return false;
  }
}
