// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { messageOf } from "@ambientmesh/core";
import { linuxErrors } from "../errors.ts";
import { sameNetns, type NetnsRef } from "../netns/netns.ts";

// proc_pid_stat(5) counts from 1; what follows the parenthesised program name begins with field 3.
const START_TIME_FIELD = 22;
const FIRST_AFTER_NAME = 3;

/**
 * When a process started, in clock ticks since boot: together with its PID the identity of a process.
 * @param procRoot where the proc file system is mounted, for agents that see the host's under `/host/proc`
 * @returns undefined if there is no such process
 */
export function processStartTime(pid: number, procRoot = "/proc"): bigint | undefined {
  try {
    return parseStartTime(readFileSync(`${procRoot}/${pid}/stat`, "utf8"));
  } catch (error) {
    if (isGone(error)) return undefined;
    throw procError(`the start time of process ${pid}`, error);
  }
}

/** Field 22 of a `/proc/PID/stat`; the program's name before it may hold blanks and parentheses. */
export function parseStartTime(text: string): bigint | undefined {
  const end = text.lastIndexOf(")");
  if (end < 0) return undefined;
  const field = text
    .slice(end + 1)
    .trim()
    .split(" ")[START_TIME_FIELD - FIRST_AFTER_NAME];
  return field !== undefined && /^\d+$/.test(field) ? BigInt(field) : undefined;
}

/** The PIDs a proc file system shows now, ascending. */
export async function listPids(procRoot = "/proc"): Promise<number[]> {
  const names = await readdir(procRoot);
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/**
 * The processes whose first thread is in a network namespace, ascending. Processes that end meanwhile, and those
 * another user owns if CAP_SYS_PTRACE is not there, are left out.
 */
export async function pidsInNetns(netns: NetnsRef, procRoot = "/proc"): Promise<number[]> {
  const found: number[] = [];
  for (const pid of await listPids(procRoot)) {
    const identity = await netnsIdentity(`${procRoot}/${pid}/ns/net`);
    if (identity && sameNetns(identity, netns)) found.push(pid);
  }
  return found;
}

async function netnsIdentity(path: string): Promise<Pick<NetnsRef, "dev" | "ino"> | undefined> {
  try {
    return await stat(path, { bigint: true });
  } catch (error) {
    if (isGone(error) || isForeign(error)) return undefined;
    throw procError(path, error);
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ESRCH";
}

function isForeign(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EACCES" || code === "EPERM";
}

function procError(what: string, error: unknown): Error {
  const errno = (error as NodeJS.ErrnoException).code ?? "";
  return linuxErrors.create("LINUX_SYSCALL", `can't read ${what}: ${messageOf(error)}`, {
    cause: error,
    details: { errno },
  });
}
