// SPDX-License-Identifier: Apache-2.0
import { expect, it } from "vitest";
import { candidateFolders } from "../../src/local/kubelet/cgroups.ts";

const HYBRID = `25 24 0:22 / /sys/fs/cgroup rw shared:5 - tmpfs tmpfs rw,mode=755
26 25 0:23 / /sys/fs/cgroup/cpuset rw shared:6 - cgroup cgroup rw,cpuset
27 25 0:24 / /sys/fs/cgroup/pids rw shared:7 - cgroup cgroup rw,pids
28 25 0:25 / /sys/fs/cgroup/systemd rw shared:8 - cgroup cgroup rw,xattr,name=systemd
29 25 0:26 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw`;
const OWN = `4:pids:/user.slice
3:name=systemd:/user.slice/session.scope
2:cpuset:/
0::/user.slice/session.scope`;

it("prefers version 2, then hierarchies that need no settings, below our own group first", () => {
  expect(candidateFolders(HYBRID, OWN)).toEqual([
    "/sys/fs/cgroup/unified/user.slice/session.scope",
    "/sys/fs/cgroup/unified",
    "/sys/fs/cgroup/pids/user.slice",
    "/sys/fs/cgroup/pids",
    "/sys/fs/cgroup/systemd/user.slice/session.scope",
    "/sys/fs/cgroup/systemd",
  ]);
});

it("counts from the group that a mount shows, as in containers", () => {
  const mounts = "30 29 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw";
  expect(candidateFolders(mounts, "0::/docker/abc/inner")).toEqual(["/sys/fs/cgroup/inner", "/sys/fs/cgroup"]);
});

it("finds nothing where there are no control groups", () => expect(candidateFolders("", "")).toEqual([]));
