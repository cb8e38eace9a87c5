// SPDX-License-Identifier: Apache-2.0
import { closeSync, mkdirSync, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@ambientmesh/core";
import { linuxErrors } from "../errors.ts";
import { MNT_DETACH, MS_BIND, MS_REC, MS_SHARED } from "../libc/constants.ts";
import { checked } from "../libc/failure.ts";
import { libc } from "../libc/libc.ts";
import { createNetns } from "./in-netns.ts";
import { openNetns, type Netns } from "./netns.ts";

/** Where `ip netns` keeps its names; what is made here is seen by `ip netns list` and the other way round. */
export const NETNS_DIRECTORY = "/run/netns";

const NAME = /^(?!\.{1,2}$)[\w.-]{1,255}$/;

/**
 * Creates a network namespace that outlives this process under a name, like `ip netns add`.
 * It is there until {@link deleteNamedNetns}; the returned handle belongs to the caller.
 * @throws MeshError LINUX_NETNS_EXISTS, LINUX_ARGUMENT_INVALID, LINUX_CAPABILITY_MISSING
 */
export function createNamedNetns(name: string, directory: string = NETNS_DIRECTORY): Netns {
  const path = pathOf(name, directory);
  makeShared(directory);
  createMountPoint(name, path);
  let netns: Netns | undefined;
  try {
    netns = createNetns();
    bindMount(netns.path, path, `name the network namespace ${name}`);
    return netns;
  } catch (error) {
    netns?.[Symbol.dispose]();
    unlinkSync(path);
    throw error;
  }
}

/**
 * Opens a namespace by its name.
 * @throws MeshError LINUX_NETNS_NOT_FOUND, LINUX_ARGUMENT_INVALID
 */
export function openNamedNetns(name: string, directory: string = NETNS_DIRECTORY): Netns {
  return openNetns(pathOf(name, directory));
}

/**
 * Removes a name; the namespace itself goes when its last process, socket and descriptor are gone.
 * @returns false if there was no such name
 * @throws MeshError LINUX_ARGUMENT_INVALID, LINUX_CAPABILITY_MISSING
 */
export function deleteNamedNetns(name: string, directory: string = NETNS_DIRECTORY): boolean {
  const path = pathOf(name, directory);
  // EINVAL (never mounted) and ENOENT are no obstacle: what counts is that the name is gone afterwards.
  libc().umount2(path, MNT_DETACH);
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw linuxErrors.create(
      "LINUX_CAPABILITY_MISSING",
      `can't remove the network namespace name ${name}: ${messageOf(error)}; unmounting needs CAP_SYS_ADMIN`,
      { cause: error, details: { path, capability: "SYS_ADMIN" } },
    );
  }
}

function pathOf(name: string, directory: string): string {
  if (NAME.test(name)) return join(directory, name);
  throw linuxErrors.create(
    "LINUX_ARGUMENT_INVALID",
    `"${name}" is no name for a network namespace; use letters, digits, ".", "_" and "-"`,
  );
}

/** Mounts below must reach other mount namespaces, or a deleted name would live on in them (as ip-netns does). */
function makeShared(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  if (libc().mount("", directory, "none", MS_SHARED | MS_REC, null) === 0) return;
  bindMount(directory, directory, `prepare ${directory}`, MS_REC);
  checked(libc().mount("", directory, "none", MS_SHARED | MS_REC, null), {
    syscall: "mount",
    purpose: `share ${directory} with other mount namespaces`,
    capability: "SYS_ADMIN",
  });
}

function createMountPoint(name: string, path: string): void {
  try {
    closeSync(openSync(path, "wx", 0o444));
  } catch (error) {
    const isTaken = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw isTaken
      ? linuxErrors.create("LINUX_NETNS_EXISTS", `the network namespace ${name} exists already`, { details: { path } })
      : linuxErrors.create("LINUX_SYSCALL", `can't create ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function bindMount(source: string, target: string, purpose: string, flags = 0): void {
  checked(libc().mount(source, target, "none", MS_BIND | flags, null), {
    syscall: "mount",
    purpose,
    capability: "SYS_ADMIN",
  });
}
