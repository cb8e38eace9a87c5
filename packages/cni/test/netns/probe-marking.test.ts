// SPDX-License-Identifier: Apache-2.0
// Needs root and control groups of version 2: npx vitest run --project netns packages/cni/test/netns/probe-marking.test.ts
import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NetworkPlan, listNftables, runProgram, spawnIn } from "@ambientmesh/linux";
import { canUseNetns, type TestNode, type TestPod } from "@ambientmesh/testkit";
import { AgentBed, NODE } from "../support/agent-bed.ts";
import { AgentProgram, agentEnvironment } from "../support/agent-program.ts";
import { Echo } from "../support/echo.ts";
import { eventually } from "../support/eventually.ts";

const PROBE = "169.254.7.127";
/** Where control groups of version 2 are; beside those of version 1 on some machines. */
const CGROUPS = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/self/mounts", "utf8"))?.[1] ?? "";
const GROUP = `cni-test-${process.pid}`;
const FOLDERS = ["", "kubelet.service", "agent", "agent/container"].map((name) => join(CGROUPS, GROUP, name));

function canUseCgroups(): boolean {
  return canUseNetns(process.env) && CGROUPS !== "" && existsSync(join(CGROUPS, "cgroup.procs"));
}

/** A process that has just ended may still count in it. */
async function removeGroup(folder: string): Promise<void> {
  await eventually(`${folder} to be empty`, () => {
    try {
      rmdirSync(folder);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EBUSY") return false;
      throw error;
    }
  });
}

describe.runIf(canUseCgroups())("health probes of a node whose kubelet is known by its control group", () => {
  let bed: AgentBed;
  let node: TestNode;
  let a: TestPod;
  let app: Echo;
  let env: Readonly<Record<string, string>>;

  beforeEach(async () => {
    for (const folder of FOLDERS) mkdirSync(folder);
    bed = await AgentBed.create();
    node = bed.net.node(NODE);
    a = bed.net.pod("a");
    await new NetworkPlan().route(a.netns, { to: PROBE, via: a.gateway }).apply();
    app = await new Echo().listen(a.netns, 8080);
    env = await agentEnvironment(bed);
    await bed.labelNamespace("ambient");
    await bed.createPod("a");
  });
  afterEach(async () => {
    await app[Symbol.asyncDispose]();
    await bed[Symbol.asyncDispose]();
    for (const folder of FOLDERS.toReversed()) if (existsSync(folder)) await removeGroup(folder);
  });

  /** The client's address as the app sees it, when a process of a control group opens a connection. */
  const seenAs = async (group?: string): Promise<string> => {
    const script = `exec 3<>/dev/tcp/${a.address}/8080 && IFS= read -r -t 5 line <&3 && echo "$line"`;
    const child = spawnIn(["bash", "-c", script], {
      netns: node.netns,
      ...(group !== undefined && { cgroups: [join(CGROUPS, GROUP, group)] }),
      stdio: ["ignore", "pipe", "inherit"],
    });
    return child.stdout ? (await text(child.stdout)).trim() : "";
  };
  const mounts = CGROUPS === "/sys/fs/cgroup" ? [] : [{ source: CGROUPS, target: "/sys/fs/cgroup" }];
  const isMarked = async (): Promise<boolean> => (await seenAs("kubelet.service")) === PROBE;

  it.each([
    ["its own control groups are the node's", [], []],
    ["it has a control group namespace of its own", ["agent/container"], ["unshare", "--cgroup"]],
  ])("reach the app, and those of others the proxy; the agent: %s", async (_case, agentGroups, prefix) => {
    await bed.proc.add(`/${GROUP}/kubelet.service`, node.netns, { name: "kubelet" });
    const cgroups = agentGroups.map((group) => join(CGROUPS, GROUP, group));
    await using agent = new AgentProgram({ netns: node.netns, env, mounts, cgroups }, prefix);
    await agent.whenReady();
    const ztunnel = await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await eventually("marked probes", isMarked);
    const [uid = ""] = ztunnel.uids;
    const proxied = ztunnel.seen(uid).length;
    expect(await isMarked()).toBe(true);
    expect(ztunnel.seen(uid)).toHaveLength(proxied);
    expect(await seenAs()).toBe(a.gateway);
    expect(ztunnel.seen(uid)).toHaveLength(proxied + 1);
    agent.stop();
    expect(await agent.ended).toEqual([0, null]);
    expect(await isMarked()).toBe(true);
  });

  it("are marked again after the kubelet has got another control group, and after rules are gone", async () => {
    await bed.proc.add(`/${GROUP}/kubelet.service`, node.netns, { name: "kubelet" });
    const settings = { ...env, AMBIENT_PROOF_INTERVAL: "1s" };
    await using agent = new AgentProgram({ netns: node.netns, env: settings, mounts });
    await agent.whenReady();
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await eventually("marked probes", isMarked);
    await removeGroup(join(CGROUPS, GROUP, "kubelet.service"));
    mkdirSync(join(CGROUPS, GROUP, "kubelet.service"));
    await eventually("marked probes of the new group", isMarked);
    await runProgram(["nft", "flush", "ruleset"], { netns: node.netns });
    expect(await eventually("marked probes without being asked", isMarked)).toBe(true);
  });

  it("are not made by a process that calls itself kubelet in a pod, or elsewhere", async () => {
    await bed.proc.add(`/kubepods.slice/${GROUP}`, node.netns, { name: "kubelet" });
    await bed.proc.add(`/${GROUP}/kubelet.service`, a.netns, { name: "kubelet" });
    await using agent = new AgentProgram({ netns: node.netns, env, mounts });
    await eventually("word of it", () => agent.log.includes("no kubelet was found on this node"));
    expect(await listNftables({ netns: node.netns }, { family: "inet", name: "istio-ambient-node" })).toBeUndefined();
  });

  it("says that KUBELET_CGROUP is wrong, and goes on", async () => {
    const settings = { ...env, KUBELET_CGROUP: "/nowhere" };
    await using agent = new AgentProgram({ netns: node.netns, env: settings, mounts });
    await eventually("word of it", () => agent.log.includes("KUBELET_CGROUP=/nowhere: there is no such control group"));
    await agent.whenReady();
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    expect(await isMarked()).toBe(false);
  });
});
