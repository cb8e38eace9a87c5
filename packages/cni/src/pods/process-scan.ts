// SPDX-License-Identifier: Apache-2.0
import { readFile } from "node:fs/promises";
import type { Clock } from "@ambientmesh/core";
import { listPids, netnsOfPid, processStartTime, type Netns } from "@ambientmesh/linux";
import { podUidOfCgroup } from "./pod-cgroup.ts";

/** A process of a pod. */
export interface PodProcess {
  readonly pid: number;
  readonly startTime: bigint;
}

export interface ProcessScanOptions {
  /** The proc file system that shows the node's processes. */
  readonly procDirectory: string;
}

/** Pods that are looked for at the same time share one look at all processes. */
const SHARED_FOR_MS = 500;

/** Finds the processes of pods by their control groups. */
export class ProcessScan {
  readonly #clock: Clock;
  readonly #options: ProcessScanOptions;
  #latest: { readonly atMs: number; readonly result: Promise<ReadonlyMap<string, readonly PodProcess[]>> } | undefined;

  constructor(deps: { readonly clock: Clock }, options: ProcessScanOptions) {
    this.#clock = deps.clock;
    this.#options = options;
  }

  /** The processes of a pod, the oldest first. What is found may be up to half a second old. */
  async processesOf(uid: string): Promise<readonly PodProcess[]> {
    const nowMs = this.#clock.monotonicMs();
    if (!this.#latest || nowMs - this.#latest.atMs >= SHARED_FOR_MS) {
      this.#latest = { atMs: nowMs, result: this.#scan() };
    }
    return (await this.#latest.result).get(uid) ?? [];
  }

  /** The network namespace of a process, unless it is gone and its number belongs to another now. The caller closes it. */
  netnsOf({ pid, startTime }: PodProcess): Netns | undefined {
    const { procDirectory } = this.#options;
    const netns = netnsOfPid(pid, procDirectory);
    if (processStartTime(pid, procDirectory) === startTime) return netns;
    netns[Symbol.dispose]();
    return undefined;
  }

  async #scan(): Promise<ReadonlyMap<string, readonly PodProcess[]>> {
    const found = new Map<string, PodProcess[]>();
    for (const pid of await listPids(this.#options.procDirectory)) {
      const uid = podUidOfCgroup(await this.#cgroupOf(pid));
      const startTime = uid === undefined ? undefined : processStartTime(pid, this.#options.procDirectory);
      if (uid === undefined || startTime === undefined) continue;
      const processes = found.get(uid);
      if (processes) processes.push({ pid, startTime });
      else found.set(uid, [{ pid, startTime }]);
    }
    for (const processes of found.values()) processes.sort((a, b) => Number(a.startTime - b.startTime));
    return found;
  }

  async #cgroupOf(pid: number): Promise<string> {
    try {
      return await readFile(`${this.#options.procDirectory}/${pid}/cgroup`, "utf8");
    } catch {
      // The process ended meanwhile, or is none of those we may look at: it belongs to no pod of ours.
      return "";
    }
  }
}
