// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/proof.test.ts
import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RESOURCES } from "@ambientmesh/kube";
import type { Condition } from "@ambientmesh/api/kubernetes";
import { NetworkPlan, createNetns, listNftables, runProgram, type NetnsRef } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { AgentBed } from "../support/agent-bed.ts";
import { eventually } from "../support/eventually.ts";
import { podGroup } from "../support/fake-proc.ts";

const OFTEN = { AMBIENT_PROOF_INTERVAL: "1s", AMBIENT_REDIRECTION: "nftables" };

describe.runIf(canUseNetns(process.env))("the proof that a pod is in the mesh", () => {
  let bed: AgentBed;
  let netns: NetnsRef;

  beforeEach(async () => {
    bed = await AgentBed.create(["a", "b", "c"]);
    ({ netns } = bed.net.pod("a"));
    await bed.labelNamespace("ambient");
  });
  afterEach(async () => {
    await bed[Symbol.asyncDispose]();
  });

  const conditionOf = async (name = "a"): Promise<Condition | undefined> =>
    (await bed.pod(name)).status?.conditions?.find(({ type }) => type === "ambientmesh.io/MeshReady");
  const whenReady = (status: "True" | "False", name = "a"): Promise<Condition> =>
    eventually(`condition ${status} of ${name}`, async () => {
      const condition = await conditionOf(name);
      return condition?.status === status && condition;
    });
  const isRedirected = async (where: NetnsRef): Promise<boolean> =>
    JSON.stringify(await listNftables({ netns: where })).includes("istio-ambient-nat");
  const reasonsOf = async (name: string): Promise<readonly string[]> =>
    (await bed.eventsOf(name)).map(({ reason = "" }) => reason);

  it("is a condition, which goes with the pod's leave, and nobody else's", async () => {
    await bed.createPod("a");
    const own = { type: "example.com/own", status: "True" };
    await bed.client.mergePatch(
      RESOURCES.Pod,
      { name: "a", namespace: "shop" },
      { status: { conditions: [own] } },
      { subresource: "status" },
    );
    await bed.startAgent(OFTEN);
    await bed.connectZtunnel();
    const condition = await whenReady("True");
    expect(condition).toMatchObject({ reason: "Proved", lastTransitionTime: expect.stringMatching(/Z$/) });
    await bed.labelNamespace(null);
    await eventually("no condition", async () => (await conditionOf()) === undefined);
    expect((await bed.pod("a")).status?.conditions).toEqual([own]);
  });

  it("says so when a pod can't join", async () => {
    await bed.createPod("a");
    await bed.startAgent(OFTEN);
    expect(await whenReady("False")).toMatchObject({ reason: "EnrolmentFailed", message: /no node proxy/ });
  });

  it.each([
    ["all rules flushed", ["nft", "flush", "ruleset"], "RulesMissing"],
    ["one rule gone", ["nft", "flush", "chain", "inet", "istio-ambient-nat", "istio-output"], "RulesAltered"],
    ["a policy route gone", ["ip", "route", "flush", "table", "100"], "RulesAltered"],
    ["pick-up of connections switched on", ["sysctl", "-w", "net.netfilter.nf_conntrack_tcp_loose=1"], "RulesAltered"],
  ] as const)("is lost and won again: %s", async (_what, command, problem) => {
    await bed.createPod("a");
    await bed.startAgent(OFTEN);
    await bed.connectZtunnel();
    await whenReady("True");
    expect((await runProgram([...command], { netns })).exitCode).toBe(0);
    await eventually("the repair", async () => (await bed.metric("nodeagent_pod_repairs_total")) === "1");
    expect(await bed.metric(`nodeagent_pod_repairs_total{problem="${problem}"}`)).toBe("1");
    expect(await isRedirected(netns)).toBe(true);
    await eventually("word of it", async () => (await reasonsOf("a")).includes("AmbientRepaired"));
    expect(await conditionOf()).toMatchObject({ status: "True" });
  });

  it("is lost while no proxy serves the pod, and traffic stays redirected", async () => {
    await bed.createPod("a");
    await bed.startAgent(OFTEN);
    const ztunnel = await bed.connectZtunnel();
    await whenReady("True");
    await ztunnel[Symbol.asyncDispose]();
    const condition = await whenReady("False");
    expect(condition).toMatchObject({
      reason: "ListenersMissing",
      message: /^nobody listens on 15001, .* is connected$/,
    });
    expect(await bed.metric("nodeagent_disproved_pods")).toBe("1");
    expect(await isRedirected(netns)).toBe(true);
    await bed.connectZtunnel();
    await whenReady("True");
    expect(await bed.metric("nodeagent_disproved_pods")).toBe("0");
    expect(await reasonsOf("a")).toEqual(expect.arrayContaining(["AmbientProofFailed", "AmbientRepaired"]));
  });

  it("makes a connected proxy begin anew with a pod that it does not serve", async () => {
    const uid = await bed.createPod("a");
    await bed.startAgent(OFTEN);
    const ztunnel = await bed.connectZtunnel();
    await whenReady("True");
    await ztunnel.abandon(uid);
    await eventually("the repair", async () => (await bed.metric("nodeagent_pod_repairs_total")) === "1");
    expect(ztunnel.messages.slice(-2)).toEqual([`del ${uid}`, `add ${uid} shop/a a-account`]);
    expect(await conditionOf()).toMatchObject({ status: "True" });
  });

  it("follows a pod into another namespace that nobody reported", async () => {
    const uid = await bed.createPod("a");
    await bed.startAgent(OFTEN);
    await bed.connectZtunnel();
    await whenReady("True");
    const address = bed.net.pod("a").address;
    using another = createNetns();
    await runProgram(["ip", "address", "flush", "dev", "eth0"], { netns });
    await new NetworkPlan()
      .loopback(another)
      .veth(
        { netns: another, name: "eth0", addresses: [`${address}/24`] },
        { netns: bed.net.node("n1").netns, name: "another", addresses: [] },
      )
      .apply();
    await bed.proc.add(podGroup(uid), another);
    await eventually("the new namespace", () => isRedirected(another));
    expect(await whenReady("True")).toMatchObject({ reason: "Proved" });
  });

  it("fails as long as the proxy gets no echo", async () => {
    const uid = await bed.createPod("a");
    const socket = `${bed.runDirectory}-echo.sock`;
    let echo: object = { ok: false, ageMs: 5, reason: "the certificate has expired" };
    const server = createServer((_request, response) => response.end(JSON.stringify({ echoes: { [uid]: echo } })));
    server.listen(socket);
    await once(server, "listening");
    try {
      await bed.startAgent({ ...OFTEN, ZTUNNEL_ECHO_ADDRESS: socket });
      await bed.connectZtunnel();
      const condition = await whenReady("False");
      expect(condition).toMatchObject({ reason: "EchoFailed", message: /the certificate has expired$/ });
      echo = { ok: true, ageMs: 5 };
      await whenReady("True");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("is there again after a restart of the agent, without a write", async () => {
    await bed.createPod("a");
    await bed.startAgent(OFTEN);
    const ztunnel = await bed.connectZtunnel();
    await whenReady("True");
    await bed.stopAgent();
    const before = (await bed.pod("a")).metadata.resourceVersion;
    await bed.startAgent(OFTEN);
    await bed.connectZtunnel({ isObserver: true });
    await eventually(
      "a look",
      async () => (await bed.metric('nodeagent_pod_proofs_total{result="proved"}')) !== undefined,
    );
    expect((await bed.pod("a")).metadata.resourceVersion).toBe(before);
    await ztunnel[Symbol.asyncDispose]();
  });
});
