// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import type { RecordKeeper } from "../run-directory/record.ts";
import { removeEmpty } from "../run-directory/netns-directory.ts";

/** Hierarchies of version 1 in which a new group can take processes without further settings. */
const SIMPLE_CONTROLLERS = ["pids", "freezer", "name=systemd", "devices", "memory"];

/** A mounted hierarchy of control groups. */
export interface Hierarchy {
  /** Where it is mounted. */
  readonly mountPoint: string;
  /** The group that the mount point shows. */
  readonly root: string;
  /** Version 1: its controllers; version 2: none. */
  readonly controllers: readonly string[];
}

/** The hierarchies in a `/proc/self/mountinfo`. */
export function parseHierarchies(mountInfo: string): readonly Hierarchy[] {
  return mountInfo.split("\n").flatMap((line) => {
    // proc_pid_mountinfo(5): a variable number of fields, a dash, then type, source and options of the file system.
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root = "", mountPoint = ""] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    if (type === "cgroup2") return [{ mountPoint, root, controllers: [] }];
    return type === "cgroup" ? [{ mountPoint, root, controllers: options.split(",") }] : [];
  });
}

/** The group of a process in a hierarchy, by its `/proc/self/cgroup`. */
export function groupIn({ controllers }: Hierarchy, ownGroups: string): string | undefined {
  for (const line of ownGroups.split("\n")) {
    const [number, names = "", ...path] = line.split(":");
    const isIt =
      controllers.length === 0
        ? number === "0"
        : names !== "" && names.split(",").some((name) => controllers.includes(name));
    if (isIt) return path.join(":");
  }
  return undefined;
}

/** Where new groups could be made, best first: below our own group, in a hierarchy that asks for nothing. */
export function candidateFolders(mountInfo: string, ownGroups: string): readonly string[] {
  const hierarchies = parseHierarchies(mountInfo);
  const rank = ({ controllers }: Hierarchy): number =>
    controllers.length === 0 ? 0 : 1 + SIMPLE_CONTROLLERS.findIndex((name) => controllers.includes(name));
  return hierarchies
    .filter(
      ({ controllers }) => controllers.length === 0 || SIMPLE_CONTROLLERS.some((name) => controllers.includes(name)),
    )
    .toSorted((a, b) => rank(a) - rank(b))
    .flatMap((hierarchy) => {
      const group = groupIn(hierarchy, ownGroups);
      if (group === undefined) return [];
      return [join(hierarchy.mountPoint, relative(hierarchy.root, group)), hierarchy.mountPoint];
    });
}

/** The control groups of a mesh's pods: by them agents recognise which processes are which pod's. */
export interface PodCgroups {
  /** The group of a container; processes join it by their start. */
  container(podUid: string, name: string): string;
  /** Removes the groups of a pod. False while a process that has just ended still counts in one of them. */
  remove(podUid: string): boolean;
}

/**
 * Makes the groups of a mesh if this process may make any.
 * @returns undefined where it may not, as an ordinary user without delegated groups
 */
export function createPodCgroups(mesh: string, keeper: RecordKeeper): PodCgroups | undefined {
  // Groups are seen by the whole machine, and meshes of other users may have the same name.
  const run = keeper.current.runId.slice(0, 8);
  const read = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");
  for (const folder of candidateFolders(read("/proc/self/mountinfo"), read("/proc/self/cgroup"))) {
    const own = join(folder, `ambientmesh-${mesh}-${run}`);
    if (existsSync(folder) && tryMake(own, keeper)) return podCgroups(join(own, "kubepods"), keeper);
  }
  return undefined;
}

function tryMake(folder: string, keeper: RecordKeeper): boolean {
  keeper.add("cgroups", folder);
  try {
    mkdirSync(folder, { recursive: true });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!["EACCES", "EPERM", "EROFS", "ENOENT"].includes(code ?? "")) throw error;
    keeper.remove("cgroups", folder);
    return false;
  }
}

function podCgroups(root: string, keeper: RecordKeeper): PodCgroups {
  const byPod = new Map<string, string[]>();
  const make = (folder: string): void => {
    if (existsSync(folder)) return;
    keeper.add("cgroups", folder);
    mkdirSync(folder);
  };
  make(root);
  return {
    container(podUid, name) {
      const pod = join(root, `pod${podUid}`);
      const container = join(pod, name);
      const known = byPod.get(podUid) ?? [];
      byPod.set(podUid, known);
      for (const folder of [pod, container].filter((candidate) => !known.includes(candidate))) {
        make(folder);
        known.push(folder);
      }
      return container;
    },
    remove(podUid) {
      const left = (byPod.get(podUid) ?? []).toReversed().filter((folder) => {
        removeEmpty(folder);
        if (existsSync(folder)) return true;
        keeper.remove("cgroups", folder);
        return false;
      });
      if (left.length === 0) byPod.delete(podUid);
      else byPod.set(podUid, left.toReversed());
      return left.length === 0;
    },
  };
}
