// SPDX-License-Identifier: Apache-2.0
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { NetnsRef } from "@ambientmesh/linux";

/** A proc file system as an agent sees it under /host/proc, of processes that need not exist. */
export class FakeProc {
  readonly directory: string;
  #nextPid = 1000;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** A process in a control group and a network namespace; later ones are younger unless told otherwise. */
  async add(
    cgroup: string,
    netns: NetnsRef,
    options: { readonly pid?: number; readonly startTime?: number; readonly name?: string; readonly uid?: number } = {},
  ): Promise<number> {
    const pid = options.pid ?? this.#nextPid++;
    const startTime = options.startTime ?? pid;
    const directory = join(this.directory, String(pid));
    await mkdir(join(directory, "ns"), { recursive: true });
    await writeFile(join(directory, "cgroup"), `0::${cgroup}\n`);
    await writeFile(join(directory, "stat"), `${pid} (app (1)) S ${"0 ".repeat(18)}${startTime} 0 0\n`);
    const { name = "app", uid = 0 } = options;
    await writeFile(join(directory, "status"), `Name:\t${name}\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\n`);
    await writeFile(join(directory, "cmdline"), `/usr/bin/${name}\0--flag\0`);
    await symlink(netns.path, join(directory, "ns", "net"));
    await symlink(`/proc/${process.pid}/ns/cgroup`, join(directory, "ns", "cgroup"));
    return pid;
  }

  async remove(pid: number): Promise<void> {
    await rm(join(this.directory, String(pid)), { recursive: true });
  }
}

/** The group of a container of a pod, as kubelets with systemd name it. */
export function podGroup(uid: string): string {
  return `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll("-", "_")}.slice/cri-containerd-0123456789ab.scope`;
}
