// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createNetns, hostNetns, runProgram, spawnIn, type SpawnInOptions } from "../../src/index.ts";
import { mayUseNetns } from "./two-pods.ts";

async function outputOf(command: readonly [string, ...string[]], options: SpawnInOptions): Promise<string> {
  const child = spawnIn(command, { ...options, stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const output = Buffer.concat((await child.stdout?.toArray()) as Buffer[]).toString();
  expect(await ended).toEqual([0, null]);
  return output;
}

describe.runIf(mayUseNetns())("programs in namespaces", () => {
  it("see the network namespace, and no descriptor of it", async () => {
    using netns = createNetns();
    const script = "readlink /proc/self/ns/net; ls -l /proc/self/fd";
    const [seen, ...fds] = (await outputOf(["sh", "-c", script], { netns })).trim().split("\n");
    expect(seen).toBe(netns.id);
    expect(fds.filter((line) => line.includes("net:["))).toEqual([]);
    expect((await runProgram(["readlink", "/proc/self/ns/net"], { netns })).stdout.trim()).toBe(netns.id);
    expect((await runProgram(["readlink", "/proc/self/ns/net"])).stdout.trim()).toBe(hostNetns().id);
  });

  it("see files in other places, which nobody else sees there", async () => {
    using netns = createNetns();
    const folder = mkdtempSync(join(tmpdir(), "linux-mounts-"));
    try {
      const source = join(folder, "resolv.conf");
      writeFileSync(source, "nameserver 10.96.0.10\n");
      const before = readFileSync("/etc/resolv.conf", "utf8");
      const mounts = [{ source, target: "/etc/resolv.conf" }];
      expect(await outputOf(["cat", "/etc/resolv.conf"], { netns, mounts })).toBe("nameserver 10.96.0.10\n");
      expect(readFileSync("/etc/resolv.conf", "utf8")).toBe(before);
      expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain("resolv.conf");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("say so when a mount can't be made", async () => {
    const child = spawnIn(["true"], { mounts: [{ source: "/no/such/file", target: "/etc" }], stdio: "ignore" });
    expect(await once(child, "exit")).toEqual([125, null]);
  });

  it("start in their control group", async () => {
    const root = cgroupRoot();
    const cgroup = join(root, `linux-test-${process.pid}`);
    mkdirSync(cgroup);
    try {
      const seen = await outputOf(["cat", "/proc/self/cgroup"], { cgroups: [cgroup] });
      expect(seen).toMatch(new RegExp(`^0::.*/linux-test-${process.pid}$`, "m"));
    } finally {
      rmdirSync(cgroup);
    }
  });

  it("leave every thread of this process at home", async () => {
    using netns = createNetns();
    await Promise.all(Array.from({ length: 50 }, () => runProgram(["true"], { netns })));
    const threads = readdirSync("/proc/self/task").map((tid) => readlinkSync(`/proc/self/task/${tid}/ns/net`));
    expect(new Set(threads)).toEqual(new Set([hostNetns().id]));
  });
});

/** Where cgroup v2 is mounted: at the root, or beside v1. */
function cgroupRoot(): string {
  const line = readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .find((mount) => mount.split(" ")[2] === "cgroup2");
  const root = line?.split(" ")[1];
  if (root === undefined) throw new Error("the machine has no cgroup v2");
  return root;
}
