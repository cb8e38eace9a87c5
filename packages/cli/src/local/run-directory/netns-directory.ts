// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "@ambientmesh/linux";
import type { Place } from "./place.ts";

/**
 * The first name makes the directory of names and mounts it on itself, as `ip netns` does. How it was before stands in a
 * file that all meshes share, so that the last of them can put it back.
 */
const BEFORE = ".netns-directory";

/** Notes how the directory of names is now, unless another mesh has done so. To be called before the first name is made. */
export function noteNetnsDirectory(place: Place): void {
  const note = join(place.root, BEFORE);
  if (place.seclusion === "private" || existsSync(note) || isMounted(place.netnsDirectory)) return;
  writeFileSync(note, existsSync(place.netnsDirectory) ? "there" : "absent");
}

/** Puts the machine's directory of names back as it was, if nobody uses it any more. */
export async function releaseNetnsDirectory({ root, seclusion, netnsDirectory }: Place): Promise<void> {
  const note = join(root, BEFORE);
  if (seclusion === "private" || !existsSync(note)) return;
  const before = readFileSync(note, "utf8");
  const isUnused = existsSync(netnsDirectory) && readdirSync(netnsDirectory).length === 0;
  if (isUnused && (await unmount(netnsDirectory)) && before === "absent") removeEmpty(netnsDirectory);
  const isLast = readdirSync(root).every((name) => name === BEFORE);
  if (isUnused || isLast) rmSync(note, { force: true });
}

/**
 * Unmounts a directory if it is mounted on itself.
 * @returns false while somebody has a namespace in it
 */
export async function unmount(directory: string): Promise<boolean> {
  return !isMounted(directory) || (await runProgram(["umount", directory])).exitCode === 0;
}

/** Removes a directory if nothing is in it. */
export function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTEMPTY" && code !== "EBUSY") throw error;
  }
}

function isMounted(directory: string): boolean {
  // proc_pid_mountinfo(5): the fifth field is the mount point.
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[4] === directory);
}
