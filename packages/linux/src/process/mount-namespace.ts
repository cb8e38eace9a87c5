// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from "node:fs";

/**
 * In a plain chroot the root directory is no mount point: it can't be made private, and whatever is mounted below it may
 * be seen outside. So the namespace gets a root of its own: a copy of all mounts below the old one, on a file system that
 * is private because the one it stands on, /proc, can be made so.
 */
const OWN_ROOT = `
mount --make-private /proc && mount -t tmpfs -o mode=0700 own-root /proc/driver && mkdir /proc/driver/root &&
mount --rbind / /proc/driver/root && mount --make-rprivate /proc/driver/root || exit 125
exec chroot /proc/driver/root sh -c 'cd -- "$0" && exec "$@"' "$PWD" "$@"`;

/** Whether the root directory of this process is none of its mount namespace's mounts, as after a plain chroot(2). */
export function isInChroot(mountInfo: string = readFileSync("/proc/self/mountinfo", "utf8")): boolean {
  // proc_pid_mountinfo(5): the fifth field is the mount point, relative to the process's root.
  return !mountInfo.split("\n").some((line) => line.split(" ")[4] === "/");
}

/**
 * The beginning of a command line whose program gets a mount namespace of its own: what it mounts is seen by nobody else.
 * Uses `unshare`, and in a chroot `sh`, `mount` and `chroot`. Needs CAP_SYS_ADMIN.
 */
export function ownMountNamespace(isChroot: boolean = isInChroot()): readonly string[] {
  if (!isChroot) return ["unshare", "--mount", "--propagation", "private"];
  return ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", OWN_ROOT, "sh"];
}
