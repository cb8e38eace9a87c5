// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/agent-restart.test.ts
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { KEYS } from "@ambientmesh/api";
import { RESOURCES } from "@ambientmesh/kube";
import { applyNftables, listNftables, type NetnsRef } from "@ambientmesh/linux";
import { canUseNetns, type TestPod } from "@ambientmesh/testkit";
import { NetfilterRedirection } from "../../src/redirection/netfilter-redirection.ts";
import { NftRules } from "../../src/redirection/nftables/nft-rules.ts";
import { AgentBed } from "../support/agent-bed.ts";
import { Echo, EchoClient } from "../support/echo.ts";
import { eventually } from "../support/eventually.ts";

async function tablesOf(netns: NetnsRef): Promise<string> {
  return JSON.stringify(await listNftables({ netns }));
}

const FLUSH = ["mangle", "nat"].map((name) => `delete table inet istio-ambient-${name}`).join("\n");

describe.runIf(canUseNetns(process.env))("an agent that starts again", () => {
  let bed: AgentBed;
  let a: TestPod;
  let b: TestPod;
  let uid: string;

  beforeEach(async () => {
    bed = await AgentBed.create();
    a = bed.net.pod("a");
    b = bed.net.pod("b");
    await bed.labelNamespace("ambient");
    uid = await bed.createPod("a");
    await bed.startAgent();
  });
  afterEach(async () => {
    await bed[Symbol.asyncDispose]();
  });

  it("leaves everything working while it is away, and goes on where it was", async () => {
    await using ztunnel = await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await using _echo = await new Echo().listen(b.netns, 8080);
    using open = await EchoClient.connect(a.netns, { host: b.address, port: 8080 });
    const rules = await tablesOf(a.netns);
    await bed.stopAgent();
    await eventually("the end", () => ztunnel.hasEnded);
    expect(await open.say("away")).toBe("away");
    using during = await EchoClient.connect(a.netns, { host: b.address, port: 8080 });
    expect(await during.say("new")).toBe("new");
    expect(await bed.annotationOf("a")).toBe("enabled");
    const { resourceVersion } = (await bed.pod("a")).metadata;

    await bed.startAgent();
    const successor = await bed.connectZtunnel({ isObserver: true });
    expect(successor.messages).toEqual([`add ${uid} shop/a a-account`, "snapshot"]);
    await eventually("the pod", async () => (await bed.metric("nodeagent_enrolled_pods")) === "1");
    expect(await open.say("back")).toBe("back");
    // Neither rules nor pod were touched.
    expect((await tablesOf(a.netns)).replaceAll(/"(packets|bytes)":\d+/g, "")).toBe(
      rules.replaceAll(/"(packets|bytes)":\d+/g, ""),
    );
    expect((await bed.pod("a")).metadata.resourceVersion).toBe(resourceVersion);
  });

  it("finds a pod again whose processes it can't see any more", async () => {
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    const namespace = a.netns.path;
    const path = join(bed.runDirectory, "pods", `${uid}.json`);
    const record = {
      uid,
      namespace: "shop",
      name: "a",
      path: namespace,
      dev: String(a.netns.dev),
      ino: String(a.netns.ino),
    };
    writeFileSync(path, JSON.stringify({ ...record, addresses: [a.address], isRedirected: true }));
    await bed.proc.remove(1000);
    await bed.startAgent();
    const successor = await bed.connectZtunnel({ isObserver: true });
    expect(successor.messages).toEqual([`add ${uid} shop/a a-account`, "snapshot"]);
  });

  it("asks the proxy to keep a pod whose namespace it does not find, and says so", async () => {
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    await bed.proc.remove(1000);
    await bed.startAgent();
    const successor = await bed.connectZtunnel({ isObserver: true });
    expect(successor.messages).toEqual([`keep ${uid}`, "snapshot"]);
    await bed.whenAnnotated("a", "pending");
    const [event] = await eventually("an event", async () => {
      const events = await bed.eventsOf("a");
      return events.length > 0 && events;
    });
    expect(event?.message).toBe("the network namespace of pod shop/a is not found");
    await bed.client.delete(RESOURCES.Pod, { name: "a", namespace: "shop" }, { gracePeriodSeconds: 0 });
    await eventually("del", () => successor.messages.includes(`del ${uid}`));
  });

  it("repairs rules that somebody has changed", async () => {
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    const rules = await tablesOf(a.netns);
    await applyNftables("flush chain inet istio-ambient-nat istio-output", { netns: a.netns });
    await bed.startAgent();
    const strip = (text: string): string => text.replaceAll(/"(packets|bytes|handle)":\d+,?/g, "");
    expect(strip(await tablesOf(a.netns))).toBe(strip(rules));
  });

  it("leaves changed rules as they are where it is told to", async () => {
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    await applyNftables("flush chain inet istio-ambient-nat istio-output", { netns: a.netns });
    const rules = await tablesOf(a.netns);
    await bed.startAgent({ AMBIENT_RECONCILE_POD_RULES_ON_STARTUP: "false" });
    expect(await tablesOf(a.netns)).toBe(rules);
  });

  it("does not believe an annotation: a pod without rules is enrolled anew", async () => {
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    await applyNftables(FLUSH, { netns: a.netns });
    await bed.startAgent();
    await bed.whenAnnotated("a", "pending");
    expect(await tablesOf(a.netns)).not.toContain("istio-ambient-nat");
    const successor = await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    expect(successor.messages[0]).toBe("snapshot");
    expect(await tablesOf(a.netns)).toContain("istio-ambient-nat");
  });

  it("takes out a pod that left while it was away", async () => {
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    await bed.labelNamespace(null);
    await bed.startAgent();
    await bed.whenAnnotated("a", undefined);
    await eventually("no pod", async () => (await bed.metric("nodeagent_enrolled_pods")) === "0");
    expect(await tablesOf(a.netns)).not.toContain("istio-ambient");
  });

  it("takes out a pod that it was taking out when it stopped", async () => {
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    await bed.startAgent({ AMBIENT_UNENROL_ANNOUNCE_TIME: "1h" });
    await bed.labelNamespace(null);
    await bed.whenAnnotated("a", undefined);
    await bed.stopAgent();
    expect(await tablesOf(a.netns)).toContain("istio-ambient-nat");
    await bed.startAgent();
    await eventually("no rules", async () => !(await tablesOf(a.netns)).includes("istio-ambient"));
  });

  it("forgets a pod that was deleted while it was away", async () => {
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    await bed.client.delete(RESOURCES.Pod, { name: "a", namespace: "shop" }, { gracePeriodSeconds: 0 });
    await bed.startAgent();
    const successor = await bed.connectZtunnel();
    expect(successor.messages).toEqual(["snapshot"]);
  });

  it("changes its mind with the label, without a gap", async () => {
    const ztunnel = await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    await bed.stopAgent();
    await bed.startAgent({ AMBIENT_UNENROL_ANNOUNCE_TIME: "1h" });
    await using _ztunnel = await bed.connectZtunnel({ isObserver: true });
    await bed.labelNamespace(null);
    await bed.whenAnnotated("a", undefined);
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    expect(await tablesOf(a.netns)).toContain("istio-ambient-nat");
    expect(ztunnel.messages.filter((message) => message.startsWith("del"))).toEqual([]);
  });

  it("takes over what an agent left that used iptables", async () => {
    await bed.stopAgent();
    await bed.startAgent({ AMBIENT_REDIRECTION: "iptables" });
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    expect(await tablesOf(a.netns)).toContain("ISTIO_OUTPUT");
    await bed.stopAgent();
    await bed.startAgent();
    expect(await tablesOf(a.netns)).toContain("istio-ambient-nat");
    expect(await tablesOf(a.netns)).not.toContain("ISTIO_OUTPUT");
  });

  it("takes up a pod in whose annotation only an agent before could have been", async () => {
    await bed.stopAgent();
    const redirection = new NetfilterRedirection(new NftRules());
    await redirection.apply(b.netns, {
      hasInboundCapture: true,
      hasDnsCapture: false,
      outboundInterfaces: [],
      hasIpv6: true,
      probeSource: { v4: "169.254.7.127", v6: "fd16:9254:7127:1337:ffff:ffff:ffff:ffff" },
      hasProbeHopCheck: true,
    });
    const other = await bed.createPod("b", { annotations: { [KEYS.REDIRECTION]: "enabled" } });
    await bed.startAgent();
    const ztunnel = await bed.connectZtunnel();
    expect(ztunnel.messages).toContain(`add ${other} shop/b b-account`);
    expect(await bed.annotationOf("b")).toBe("enabled");
  });
});
