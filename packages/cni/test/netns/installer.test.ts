// SPDX-License-Identifier: Apache-2.0
// Needs root and built packages: npx vitest run --project netns packages/cni/test/netns/installer.test.ts
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { runProgram, type RunResult } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { AgentBed, NODE } from "../support/agent-bed.ts";
import { AgentProgram, agentEnvironment } from "../support/agent-program.ts";
import { podArgs } from "../support/call-plugin.ts";
import { eventually } from "../support/eventually.ts";

const LIST = { cniVersion: "1.0.0", name: "pods", plugins: [{ type: "bridge" }, { type: "portmap" }] };
const PACKAGE = new URL("../..", import.meta.url).pathname;
const TSC = new URL("../../../../node_modules/.bin/tsc", import.meta.url).pathname;
const RESULT = { cniVersion: "1.0.0", ips: [{ address: "10.0.1.2/24" }] };

describe.runIf(canUseNetns(process.env))("the installer", () => {
  let bed: AgentBed;
  let root: string;
  let bin: string;
  let config: string;
  let env: Readonly<Record<string, string>>;

  beforeAll(async () => {
    const { stdout, exitCode } = await runProgram([process.execPath, TSC, "-b", PACKAGE]);
    if (exitCode !== 0) throw new Error(`the package can't be built: ${stdout}`);
  }, 300_000);
  beforeEach(async () => {
    bed = await AgentBed.create();
    root = mkdtempSync(join(tmpdir(), "node-"));
    [bin, config] = [join(root, "opt/cni/bin"), join(root, "etc/cni/net.d")];
    for (const directory of [bin, config, join(root, "run")]) mkdirSync(directory, { recursive: true });
    env = {
      ...(await agentEnvironment(bed)),
      INSTALL_CNI_PLUGIN: "true",
      CNI_AGENT_RUN_DIR: join(root, "run"),
      MOUNTED_CNI_BIN_DIR: bin,
      MOUNTED_CNI_NET_DIR: config,
      AMBIENT_PROOF_INTERVAL: "1s",
    };
  });
  afterEach(async () => {
    await bed[Symbol.asyncDispose]();
    rmSync(root, { recursive: true });
  });

  const start = (more: Readonly<Record<string, string>> = {}): AgentProgram =>
    new AgentProgram({ netns: bed.net.node(NODE).netns, env: { ...env, ...more } });
  const read = (name: string): unknown => JSON.parse(readFileSync(join(config, name), "utf8"));
  const isChained = (name = "10-x.conflist"): boolean =>
    existsSync(join(config, name)) && readFileSync(join(config, name), "utf8").includes("istio-cni");
  const isReady = async (): Promise<boolean> => {
    const { netns } = bed.net.node(NODE);
    const { stdout } = await runProgram(["curl", "-s", "http://127.0.0.1:8000/readyz"], { netns });
    return stdout === "ready\n";
  };
  /** Calls the plugin as the runtime of a node that has nothing but what was installed. */
  const call = (command: string, pod: string, more: object = {}): Promise<RunResult> =>
    runProgram(["chroot", root, "/opt/cni/bin/istio-cni"], {
      netns: bed.net.node(NODE).netns,
      env: {
        PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
        CNI_COMMAND: command,
        CNI_CONTAINERID: "s1",
        CNI_NETNS: "/run/netns/x",
        CNI_ARGS: podArgs("shop", pod),
      },
      stdin: JSON.stringify({ cniVersion: "1.0.0", type: "istio-cni", prevResult: RESULT, ...more }),
    });

  it("puts a plugin on the node that runs there without anything else, and chains it in", async () => {
    writeFileSync(join(config, "10-x.conflist"), JSON.stringify(LIST));
    await bed.labelNamespace(null);
    await bed.createPod("a");
    await bed.createPod("b", { labels: { "istio.io/dataplane-mode": "ambient" } });
    await using agent = start();
    await eventually("the chain", isChained);
    await eventually("readiness", isReady);
    const entry = {
      type: "istio-cni",
      cni_agent_run_dir: join(root, "run"),
      ambient_enabled: true,
      exclude_namespaces: ["kube-system"],
      pod_namespace: "istio-system",
      kubernetes: { kubeconfig: join(root, "run/istio-cni-kubeconfig") },
    };
    expect(read("10-x.conflist")).toEqual({ ...LIST, plugins: [...LIST.plugins, entry] });
    const version = await call("VERSION", "a");
    expect(JSON.parse(version.stdout)).toMatchObject({ cniVersion: "1.0.0" });
    // Without the agent it asks the API server, which takes all of its modules.
    const config1 = { kubernetes: { kubeconfig: "/run/istio-cni-kubeconfig" } };
    const outside = await call("ADD", "a", config1);
    expect(JSON.parse(outside.stdout)).toEqual(RESULT);
    const inside = await call("ADD", "b", config1);
    expect(JSON.parse(inside.stdout)).toMatchObject({ code: 11, msg: /shop\/b belongs into the mesh$/ });
    expect(agent.log).not.toContain('"level":"error"');
  });

  it("puts back what is changed or removed", async () => {
    writeFileSync(join(config, "10-x.conflist"), JSON.stringify(LIST));
    await using _agent = start();
    await eventually("the chain", isChained);
    writeFileSync(join(config, "10-x.conflist"), JSON.stringify(LIST));
    await eventually("the chain again", isChained);
    rmSync(join(bin, "istio-cni"));
    await eventually("the launcher", () => existsSync(join(bin, "istio-cni")));
    rmSync(join(bin, "istio-cni.d"), { recursive: true });
    expect((await call("VERSION", "a")).stdout).toMatch(/runtime is missing/);
    await eventually("the runtime", async () => (await call("VERSION", "a")).stdout.includes("supportedVersions"));
  });

  it("waits for the node's configuration, and is not ready before", async () => {
    await using agent = start();
    await eventually("word of it", () => agent.log.includes("there is no network configuration of the node yet"));
    expect(await isReady()).toBe(false);
    writeFileSync(join(config, "10-x.conf"), JSON.stringify({ name: "net", type: "bridge" }));
    await eventually("the chain alone", () => isChained() && readdirSync(config).join() === "10-x.conflist");
    await eventually("readiness", isReady);
  });

  it("leaves it there when the agent ends", async () => {
    writeFileSync(join(config, "10-x.conflist"), JSON.stringify(LIST));
    await using agent = start();
    await eventually("the chain", isChained);
    await eventually("readiness", isReady);
    agent.stop();
    expect(await agent.ended).toEqual([0, null]);
    expect([isChained(), existsSync(join(bin, "istio-cni"))]).toEqual([true, true]);
  });
});
