// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/agent-process.test.ts
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AGENT_CAPABILITIES } from "../../src/index.ts";
import { runProgram, spawnIn, type RunResult } from "@ambientmesh/linux";
import { canUseNetns, type TestNode } from "@ambientmesh/testkit";
import { AgentBed, NODE } from "../support/agent-bed.ts";
import { agentEnvironment } from "../support/agent-program.ts";
import { INSTALL_CNI, runInstallCni } from "../support/call-agent.ts";
import { eventually } from "../support/eventually.ts";

describe.runIf(canUseNetns(process.env))("the program install-cni on a node", () => {
  let bed: AgentBed;
  let node: TestNode;
  let env: Readonly<Record<string, string>>;

  beforeEach(async () => {
    bed = await AgentBed.create();
    node = bed.net.node(NODE);
    env = await agentEnvironment(bed);
  });
  afterEach(async () => {
    await bed[Symbol.asyncDispose]();
  });

  it("enrols a pod, is ready, shows metrics, and ends in order with the pod as it is", async () => {
    await bed.labelNamespace("ambient");
    await bed.createPod("a");
    const agent = spawnIn(INSTALL_CNI, {
      netns: node.netns,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(agent, "exit");
    let log = "";
    agent.stdout?.on("data", (chunk: Buffer) => (log += chunk.toString()));
    try {
      const get = (url: string): Promise<RunResult> =>
        runProgram(["curl", "-s", "-w", "%{http_code}", url], { netns: node.netns });
      await eventually("readiness", async () => (await get("http://127.0.0.1:8000/readyz")).stdout === "ready\n200");
      await using ztunnel = await bed.connectZtunnel();
      await bed.whenAnnotated("a", "enabled");
      expect(ztunnel.uids).toHaveLength(1);
      expect((await get("http://127.0.0.1:8000/healthz")).stdout).toBe("ok\n200");
      expect((await get("http://[::1]:15014/metrics")).stdout).toMatch(/^nodeagent_enrolled_pods 1$/m);
      agent.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
    } finally {
      agent.kill("SIGKILL");
    }
    expect(await bed.annotationOf("a")).toBe("enabled");
    const lines = log
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { level: string; message: string });
    expect(lines.at(-1)).toMatchObject({ message: "the CNI agent stops, pods stay as they are" });
    expect(lines.filter(({ level }) => level === "error")).toEqual([]);
  });

  it("ends in order while it waits for the API server", async () => {
    await bed.kube[Symbol.asyncDispose]();
    const agent = spawnIn(INSTALL_CNI, {
      netns: node.netns,
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(agent, "exit");
    try {
      let log = "";
      agent.stdout?.on("data", (chunk: Buffer) => (log += chunk.toString()));
      await eventually("a failed call", () => log.includes("a list or watch failed"));
      agent.kill("SIGTERM");
      expect(await ended).toEqual([0, null]);
    } finally {
      agent.kill("SIGKILL");
    }
  });

  it.each(AGENT_CAPABILITIES)("says that it lacks CAP_%s", async (capability) => {
    const drop = ["setpriv", "--bounding-set", `-${capability.toLowerCase()}`] as const;
    const { exitCode, stderr } = await runProgram([...drop, ...INSTALL_CNI], { env });
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(new RegExp(`the CNI agent needs the capabilities CAP_${capability};`));
  });

  it("works with these capabilities and no others", async () => {
    const keep = AGENT_CAPABILITIES.map((name) => `+${name.toLowerCase()}`).join(",");
    const drop = ["setpriv", "--bounding-set", `-all,${keep}`, "--inh-caps", `-all,${keep}`] as const;
    await bed.labelNamespace("ambient");
    await bed.createPod("a");
    const agent = spawnIn([...drop, ...INSTALL_CNI], { netns: node.netns, env, stdio: "ignore" });
    const ended = once(agent, "exit");
    try {
      await eventually("the socket", async () => {
        const { exitCode } = await runProgram(["test", "-S", bed.zdsSocket]);
        return exitCode === 0;
      });
      await using _ztunnel = await bed.connectZtunnel();
      await bed.whenAnnotated("a", "enabled");
    } finally {
      agent.kill("SIGTERM");
    }
    expect(await ended).toEqual([0, null]);
  });

  it("says that the node's processes are nowhere to be seen", async () => {
    const { exitCode, stderr } = await runInstallCni([], { ...env, HOST_PROC: "/nowhere" });
    expect(exitCode).toBe(1);
    expect(stderr).toBe(
      "install-cni: the node's processes can't be seen in /nowhere; mount the node's /proc there, or set HOST_PROC\n",
    );
  });
});
