// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { messageOf, type Clock } from "@ambientmesh/core";
import { deleteNamedNetns, linuxErrors, listPids, openNamedNetns, pidsInNetns } from "@ambientmesh/linux";
import { releaseNetnsDirectory, removeEmpty, unmount } from "./netns-directory.ts";
import type { Place } from "./place.ts";
import { RUN_VARIABLE, currentBootId, isAlive, type MeshRecord } from "./record.ts";

const TRIES = 50;
const BETWEEN_TRIES_MS = 100;

/**
 * Removes everything that a mesh has made: its processes with SIGKILL, then namespaces, control groups and files.
 * @param directory where the mesh's files are now
 * @returns what could not be removed, in words; empty when nothing is left
 */
export async function removeLeftovers(
  place: Place,
  record: MeshRecord,
  { clock, directory = place.directory }: { readonly clock: Clock; readonly directory?: string },
): Promise<readonly string[]> {
  const isSameBoot = record.bootId === currentBootId();
  const processes = isSameBoot ? await killAll(place, record, clock) : [];
  const problems = processes.map((pid) => `process ${pid} does not end`);
  for (const name of record.netns) {
    attempt(`network namespace ${name}`, problems, () => deleteNamedNetns(name, place.netnsDirectory));
  }
  if (isSameBoot) await removeCgroups(record.cgroups, clock, problems);
  // A private one is inside of the run directory.
  if (place.seclusion === "private") await unmount(place.netnsDirectory);
  attempt(directory, problems, () => rmSync(directory, { recursive: true, force: true, maxRetries: 3 }));
  await releaseNetnsDirectory(place);
  return problems;
}

function attempt(what: string, problems: string[], work: () => unknown): void {
  try {
    work();
  } catch (error) {
    problems.push(`${what} can't be removed: ${messageOf(error)}`);
  }
}

/** The processes that outlive SIGKILL, which only those do that the kernel holds. */
async function killAll(place: Place, record: MeshRecord, clock: Clock): Promise<readonly number[]> {
  let alive: readonly number[] = [];
  for (let tries = 0; tries < TRIES; tries++) {
    alive = await processesOf(place, record);
    if (alive.length === 0) break;
    for (const pid of alive) kill(pid);
    await clock.sleep(BETWEEN_TRIES_MS);
  }
  return alive;
}

/** Ends a process if it is still there. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Every process of a mesh that lives, found in four ways: what one of them misses another one sees. */
async function processesOf(place: Place, record: MeshRecord): Promise<readonly number[]> {
  const found = new Set<number>();
  for (const identity of record.processes) if (isAlive(identity)) found.add(identity.pid);
  for (const cgroup of record.cgroups) for (const pid of pidsInCgroup(cgroup)) found.add(pid);
  for (const name of record.netns) for (const pid of await pidsIn(name, place.netnsDirectory)) found.add(pid);
  const mark = `${RUN_VARIABLE}=${record.runId}`;
  for (const pid of await listPids()) if (hasInEnvironment(pid, mark)) found.add(pid);
  found.delete(process.pid);
  return [...found].filter((pid) => !isZombie(pid));
}

async function pidsIn(name: string, directory: string): Promise<readonly number[]> {
  try {
    using netns = openNamedNetns(name, directory);
    return await pidsInNetns(netns);
  } catch (error) {
    // Recorded and never made, or a name without its namespace, as after the end of the mount namespace it was in.
    if (linuxErrors.is(error, "LINUX_NETNS_NOT_FOUND") || linuxErrors.is(error, "LINUX_NETNS_INVALID")) return [];
    throw error;
  }
}

/** The processes of a control group, none if it is not there. */
export function pidsInCgroup(cgroup: string): readonly number[] {
  return (readOrNothing(join(cgroup, "cgroup.procs")) ?? "").split("\n").filter(Boolean).map(Number);
}

function hasInEnvironment(pid: number, mark: string): boolean {
  return (readOrNothing(`/proc/${pid}/environ`) ?? "").split("\0").includes(mark);
}

/** Ended, but its parent has not looked yet. */
function isZombie(pid: number): boolean {
  const stat = readOrNothing(`/proc/${pid}/stat`);
  return stat === undefined || stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}

/** Undefined when the file, or the process it speaks of, is not there or is somebody else's. */
function readOrNothing(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (["ENOENT", "ESRCH", "EACCES", "EPERM", "ENODEV"].includes(code ?? "")) return undefined;
    throw error;
  }
}

async function removeCgroups(cgroups: readonly string[], clock: Clock, problems: string[]): Promise<void> {
  for (const cgroup of cgroups.toReversed()) {
    for (let tries = 0; existsSync(cgroup) && tries < TRIES; tries++) {
      removeEmpty(cgroup);
      // A process that has just ended is still counted for a moment.
      if (existsSync(cgroup)) await clock.sleep(BETWEEN_TRIES_MS);
    }
    if (existsSync(cgroup)) problems.push(`control group ${cgroup} can't be removed`);
  }
}

/** Directories of meshes that ended badly, which a later start has set aside to remove them. */
export function setAsideDirectories(root: string, mesh: string): readonly string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => name.startsWith(`.${mesh}~`))
    .map((name) => join(root, name));
}
