// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/** Ticks of /proc/PID/stat per second; fixed at 100 in the kernel's interface to programs on every platform we run on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds, user and system of all threads, that a process has used so far. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory of a process in MB. */
export function residentMegabytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Number(line?.[1] ?? 0) / 1024;
}
