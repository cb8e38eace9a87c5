// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from "node:crypto";
import { lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { messageOf, type Clock } from "@ambientmesh/core";
import { cliErrors } from "../../errors.ts";
import { removeLeftovers, setAsideDirectories } from "./leftovers.ts";
import { Place } from "./place.ts";
import {
  RecordKeeper,
  currentBootId,
  isAlive,
  processIdentity,
  readRecord,
  writeRecord,
  type MeshRecord,
  type ProcessIdentity,
} from "./record.ts";

/** What the claim of a mesh's name led to. */
export interface Claim {
  readonly keeper: RecordKeeper;
  /** What a mesh of that name before had left, if its supervisor was killed: how many things were removed. */
  readonly removed: number;
}

const MAX_TRIES = 5;

/**
 * Makes the run directory with a first record in it. The name is taken by a rename, which succeeds for one of several at a
 * time. What a dead supervisor has left under that name is removed first.
 * @throws MeshError CLI_MESH_RUNNING; CLI_RUN_DIRECTORY, CLI_LEFTOVERS
 */
export async function claimPlace(place: Place, folder: string, clock: Clock): Promise<Claim> {
  makeRoot(place);
  let removed = 0;
  for (const directory of setAsideDirectories(place.root, place.mesh)) {
    removed += await removeDead(place, directory, clock);
  }
  const record = firstRecord(place, folder);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    if (take(place, record)) return { keeper: new RecordKeeper(place.record, record), removed };
    refuseIfRunning(place);
    removed += await removeDead(place, setAside(place), clock);
  }
  throw cliErrors.create("CLI_RUN_DIRECTORY", `others keep taking ${place.directory} away; try again`);
}

/** The supervisor of a running mesh, undefined if there is none. */
export function runningSupervisor(place: Place): ProcessIdentity | undefined {
  const record = readRecord(place.record);
  return record !== undefined && isRunning(record) ? record.supervisor : undefined;
}

function isRunning({ bootId, supervisor }: MeshRecord): boolean {
  return bootId === currentBootId() && isAlive(supervisor);
}

/**
 * Removes what a dead mesh has left, if there is anything.
 * @returns how many things were removed
 * @throws MeshError CLI_MESH_RUNNING, CLI_LEFTOVERS
 */
export async function removeDeadMesh(place: Place, clock: Clock): Promise<number> {
  refuseIfRunning(place);
  return removeDead(place, setAside(place), clock);
}

function refuseIfRunning(place: Place): void {
  const supervisor = runningSupervisor(place);
  if (supervisor === undefined) return;
  throw cliErrors.create(
    "CLI_MESH_RUNNING",
    `the local mesh "${place.mesh}" runs already (process ${supervisor.pid}); end it with ` +
      `"ambientctl local down --name ${place.mesh}", or start another one with --name`,
    { details: { pid: supervisor.pid } },
  );
}

function firstRecord(place: Place, folder: string): MeshRecord {
  const supervisor = processIdentity(process.pid);
  if (supervisor === undefined) throw cliErrors.create("CLI_RUN_DIRECTORY", "/proc does not show this process");
  return {
    version: 1,
    runId: randomUUID(),
    bootId: currentBootId(),
    seclusion: place.seclusion,
    supervisor,
    folder,
    netns: [],
    cgroups: [],
    processes: [],
  };
}

/** A directory of our own, or of root: in /tmp others could have put one there for us to write into. */
function makeRoot({ root }: Place): void {
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    const status = lstatSync(root);
    const isSafe = status.isDirectory() && status.uid === process.geteuid?.() && (status.mode & 0o022) === 0;
    if (isSafe) return;
  } catch (error) {
    throw cliErrors.create("CLI_RUN_DIRECTORY", `${root} can't be made: ${messageOf(error)}`, { cause: error });
  }
  throw cliErrors.create("CLI_RUN_DIRECTORY", `${root} is no directory that only this user can write to; remove it`);
}

function take(place: Place, record: MeshRecord): boolean {
  const prepared = mkdtempSync(join(place.root, `.new-${place.mesh}-`));
  try {
    writeRecord(join(prepared, "state.json"), record);
    renameSync(prepared, place.directory);
    return true;
  } catch (error) {
    rmSync(prepared, { recursive: true, force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTEMPTY" || code === "EEXIST") return false;
    throw cliErrors.create("CLI_RUN_DIRECTORY", `${place.directory} can't be made: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Only one of several that find a dead mesh gets to remove it. */
function setAside(place: Place): string {
  const directory = join(place.root, `.${place.mesh}~${randomUUID()}`);
  try {
    renameSync(place.directory, directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  return directory;
}

async function removeDead(place: Place, directory: string, clock: Clock): Promise<number> {
  const record = readRecord(join(directory, "state.json"));
  if (record === undefined) {
    rmSync(directory, { recursive: true, force: true });
    return 0;
  }
  if (isRunning(record)) {
    // Between our look and the rename, somebody else had removed the dead one and started.
    renameSync(directory, place.directory);
    refuseIfRunning(place);
  }
  const old = new Place(place.root, place.mesh, record.seclusion);
  const left = await removeLeftovers(old, record, { clock, directory });
  if (left.length > 0) {
    throw cliErrors.create("CLI_LEFTOVERS", `what an earlier mesh left can't be removed: ${left.join("; ")}`);
  }
  return record.netns.length + record.processes.length + record.cgroups.length;
}
