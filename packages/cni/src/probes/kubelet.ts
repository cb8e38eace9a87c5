// SPDX-License-Identifier: Apache-2.0
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { listPids, openNetns, linuxErrors, sameNetns, type NetnsRef } from "@ambientmesh/linux";
import { cniErrors } from "../errors.ts";

/**
 * By what the kernel recognises the sockets that health probes come from: the control group of the kubelet (path without
 * a leading slash), or, where that can't be had, the user it runs as.
 */
export type ProbeOrigin =
  | { readonly kind: "cgroup"; readonly path: string }
  | { readonly kind: "uid"; readonly uid: number };

export interface KubeletFinderOptions {
  /** The proc file system that shows the node's processes. */
  readonly procDirectory: string;
  /** Where the node's control groups (version 2) are mounted. */
  readonly cgroupDirectory: string;
  /** As configured; undefined: that of the process found. */
  readonly cgroup: string | undefined;
}

/** Programs that are a kubelet, or have one inside (k3s, MicroK8s). */
const NAMES: ReadonlySet<string> = new Set(["kubelet", "kubelite", "k3s", "k3s-server", "k3s-agent", "hyperkube"]);
/** A path that nft and iptables take for nothing but a path. */
const PATH = /^[\w.@:-]+(\/[\w.@:\\-]+)*$/;

/**
 * Finds the origin of the node's probes. A process counts as the kubelet if it is called so, runs in the node's network
 * namespace and belongs to no pod.
 * @returns undefined if there is no kubelet (now)
 * @throws MeshError CNI_KUBELET_CGROUP_INVALID if a configured group does not exist
 */
export async function findProbeOrigin(
  nodeNetns: NetnsRef,
  options: KubeletFinderOptions,
): Promise<ProbeOrigin | undefined> {
  const { cgroup, cgroupDirectory, procDirectory } = options;
  if (cgroup !== undefined) {
    const path = cgroup.replace(/^\/+|\/+$/g, "");
    if (await isGroup(cgroupDirectory, path)) return { kind: "cgroup", path };
    throw cniErrors.create(
      "CNI_KUBELET_CGROUP_INVALID",
      `KUBELET_CGROUP=${cgroup}: there is no such control group in ${cgroupDirectory}; ` +
        "name the group of the kubelet as in /proc/PID/cgroup, and mount the node's control groups there",
      { details: { cgroup, cgroupDirectory }, retryable: true },
    );
  }
  for (const pid of await listPids(procDirectory)) {
    const process = await readProcess(procDirectory, pid);
    if (!process || !isKubelet(process) || !isInNetns(procDirectory, pid, nodeNetns)) continue;
    const path = process.groupPath;
    if (path !== undefined && (await isGroup(cgroupDirectory, path))) return { kind: "cgroup", path };
    return { kind: "uid", uid: process.uid };
  }
  return undefined;
}

/** What is read of a process. */
export interface ProcessFacts {
  readonly name: string;
  /** First word of its command line. */
  readonly program: string;
  readonly uid: number;
  /** Its group in the unified hierarchy, without a leading slash. */
  readonly groupPath: string | undefined;
  /** It belongs to a pod, whichever way control groups are arranged. */
  readonly isOfPod: boolean;
}

/** Reads `/proc/PID/status`, `cmdline` and `cgroup`. */
export function processFacts(status: string, commandLine: string, cgroups: string): ProcessFacts {
  const unified = /^0::\/+(.+)$/m.exec(cgroups)?.[1];
  // Seen from another control group namespace, a path climbs to the root first.
  const groupPath = unified?.replace(/^(?:\.\.\/)+/, "");
  return {
    name: /^Name:\s*(\S+)$/m.exec(status)?.[1] ?? "",
    program: basename(commandLine.split("\0")[0] ?? ""),
    uid: Number(/^Uid:\s*\d+\s+(\d+)/m.exec(status)?.[1] ?? -1),
    groupPath: groupPath !== undefined && PATH.test(groupPath) ? groupPath : undefined,
    isOfPod: /kubepods|[/-]pod[0-9a-f]{8}[-_]/.test(cgroups),
  };
}

function isKubelet({ name, program, uid, isOfPod }: ProcessFacts): boolean {
  return !isOfPod && uid >= 0 && NAMES.has(name) && (NAMES.has(program) || program === "");
}

async function readProcess(procDirectory: string, pid: number): Promise<ProcessFacts | undefined> {
  const read = (name: string): Promise<string> => readFile(join(procDirectory, String(pid), name), "utf8");
  try {
    const status = await read("status");
    // Most processes need no second look.
    if (!NAMES.has(/^Name:\s*(\S+)$/m.exec(status)?.[1] ?? "")) return undefined;
    return processFacts(status, await read("cmdline"), await read("cgroup"));
  } catch {
    // The process ended meanwhile, or is none of those we may look at.
    return undefined;
  }
}

function isInNetns(procDirectory: string, pid: number, nodeNetns: NetnsRef): boolean {
  try {
    using netns = openNetns(join(procDirectory, String(pid), "ns/net"));
    return sameNetns(netns, nodeNetns);
  } catch (error) {
    if (!linuxErrors.is(error)) throw error;
    return false;
  }
}

async function isGroup(directory: string, path: string): Promise<boolean> {
  if (!PATH.test(path) || path.split("/").includes("..")) return false;
  try {
    return (await stat(join(directory, path, "cgroup.procs"))).isFile();
  } catch {
    // Not there, or no control group: the caller says what follows from it.
    return false;
  }
}
