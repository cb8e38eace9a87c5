// SPDX-License-Identifier: Apache-2.0
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { messageOf } from "@ambientmesh/core";
import { processStartTime } from "@ambientmesh/linux";
import { cliErrors } from "../../errors.ts";
import type { Seclusion } from "./place.ts";

/** A process that can be told from a later one with the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and its start. */
  readonly startTime: string;
}

/** What a mesh has made or is about to make: enough to remove all of it after its supervisor was killed. */
export interface MeshRecord {
  readonly version: 1;
  /** Marks the environment of every process of this run (see {@link RUN_VARIABLE}). */
  readonly runId: string;
  /** Process numbers count from each boot anew. */
  readonly bootId: string;
  readonly seclusion: Seclusion;
  readonly supervisor: ProcessIdentity;
  /** The folder of YAML, absolute. */
  readonly folder: string;
  /** Names of network namespaces. */
  readonly netns: readonly string[];
  /** Folders of control groups, each after its parent. */
  readonly cgroups: readonly string[];
  readonly processes: readonly ProcessIdentity[];
}

/** In the environment of every process that a mesh starts; the value is the run's id. */
export const RUN_VARIABLE = "AMBIENTCTL_RUN";

/** The identity of a process, undefined if there is none of that number. */
export function processIdentity(pid: number): ProcessIdentity | undefined {
  const startTime = processStartTime(pid);
  return startTime === undefined ? undefined : { pid, startTime: String(startTime) };
}

export function isAlive({ pid, startTime }: ProcessIdentity): boolean {
  return processStartTime(pid)?.toString() === startTime;
}

export function currentBootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/**
 * The record in a file, undefined if there is no such file.
 * @throws MeshError CLI_RUN_DIRECTORY when something else than a record is in it
 */
export function readRecord(path: string): MeshRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(path, "utf8")) as MeshRecord;
    if (record.version === 1) return record;
    throw new TypeError("it was written by another version of ambientctl");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    const text = `${path} can't be read as the record of a mesh: ${messageOf(error)}; remove the directory by hand`;
    throw cliErrors.create("CLI_RUN_DIRECTORY", text, { cause: error });
  }
}

/** Written in one piece: readers see the old record or the new one. */
export function writeRecord(path: string, record: MeshRecord): void {
  writeFileSync(`${path}.new`, JSON.stringify(record, undefined, 1), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

type Lists = Pick<MeshRecord, "netns" | "cgroups" | "processes">;

/** The record of a running mesh, on disk before what it speaks of is made. */
export class RecordKeeper {
  readonly #path: string;
  #record: MeshRecord;

  constructor(path: string, record: MeshRecord) {
    this.#path = path;
    this.#record = record;
  }

  get current(): MeshRecord {
    return this.#record;
  }

  add<K extends keyof Lists>(list: K, item: Lists[K][number]): void {
    this.#write({ [list]: [...this.#record[list], item] });
  }

  remove<K extends keyof Lists>(list: K, item: Lists[K][number]): void {
    this.#write({ [list]: (this.#record[list] as readonly unknown[]).filter((other) => other !== item) });
  }

  #write(change: Partial<Record<keyof Lists, readonly unknown[]>>): void {
    this.#record = { ...this.#record, ...change } as MeshRecord;
    writeRecord(this.#path, this.#record);
  }
}
