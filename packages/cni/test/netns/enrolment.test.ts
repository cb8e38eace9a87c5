// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/enrolment.test.ts
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RESOURCES } from "@ambientmesh/kube";
import { listNftables, runProgram, type NetnsRef } from "@ambientmesh/linux";
import { canUseNetns } from "@ambientmesh/testkit";
import { AgentBed } from "../support/agent-bed.ts";
import { Echo, EchoClient } from "../support/echo.ts";
import { eventually } from "../support/eventually.ts";
import { podGroup } from "../support/fake-proc.ts";

async function isRedirected(netns: NetnsRef): Promise<boolean> {
  return JSON.stringify(await listNftables({ netns })).includes("istio-ambient-nat");
}

describe.runIf(canUseNetns(process.env))("enrolment of live pods", () => {
  let bed: AgentBed;

  beforeEach(async () => {
    bed = await AgentBed.create(["a", "b", "c"]);
  });
  afterEach(async () => {
    await bed[Symbol.asyncDispose]();
  });

  it("takes a pod in and out again with the label, and connections live through it", async () => {
    const { netns } = bed.net.pod("a");
    const b = bed.net.pod("b");
    const uid = await bed.createPod("a");
    await bed.startAgent();
    const ztunnel = await bed.connectZtunnel();
    await using _echo = await new Echo().listen(b.netns, 8080);
    using old = await EchoClient.connect(netns, { host: b.address, port: 8080 });

    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    expect(ztunnel.messages).toEqual(["snapshot", `add ${uid} shop/a a-account`]);
    expect(await old.say("enrolled")).toBe("enrolled");
    using captured = await EchoClient.connect(netns, { host: b.address, port: 8080 });
    expect(await captured.say("captured")).toBe("captured");
    expect(ztunnel.seen(uid)).toEqual([`outbound ${b.address}:8080`]);

    await bed.labelNamespace(null);
    await bed.whenAnnotated("a", undefined);
    expect(await captured.say("announced")).toBe("announced");
    await eventually("the end of redirection", async () => !(await isRedirected(netns)));
    expect(ztunnel.messages.at(-1)).toBe(`del ${uid}`);
    expect(await old.say("left")).toBe("left");
    await expect(captured.say("cut")).rejects.toThrow(/ended|ECONNRESET/);
    using plain = await EchoClient.connect(netns, { host: b.address, port: 8080 });
    expect(await plain.say("plain")).toBe("plain");
  });

  it("breaks no connection at any moment while a pod joins and leaves", async () => {
    const { netns } = bed.net.pod("a");
    const b = bed.net.pod("b");
    const uid = await bed.createPod("a");
    await bed.startAgent({ AMBIENT_UNENROL_DRAIN_TIME: "1s" });
    const ztunnel = await bed.connectZtunnel();
    await using _echo = await new Echo().listen(b.netns, 8080);
    const stop = new AbortController();
    const connecting = (async () => {
      while (!stop.signal.aborted) {
        using client = await EchoClient.connect(netns, { host: b.address, port: 8080 });
        if ((await client.say("ping")) !== "ping") throw new Error("an answer was wrong");
      }
    })();
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    await eventually("captured connections", () => ztunnel.seen(uid).length > 2);
    await bed.labelNamespace(null);
    await eventually("the end of redirection", async () => !(await isRedirected(netns)));
    stop.abort();
    await expect(connecting).resolves.toBeUndefined();
  });

  it("waits with the rules until there is a proxy, and says so", async () => {
    const { netns } = bed.net.pod("a");
    await bed.createPod("a");
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    await bed.whenAnnotated("a", "pending");
    expect(await isRedirected(netns)).toBe(false);
    const [event] = await eventually("an event", async () => {
      const events = await bed.eventsOf("a");
      return events.length > 0 && events;
    });
    expect(event).toMatchObject({
      type: "Warning",
      reason: "AmbientEnrolmentFailed",
      message: "pod shop/a can't join the mesh yet: no node proxy is connected",
      source: { component: "istio-cni-node", host: "n1" },
    });
    await bed.connectZtunnel();
    await bed.whenAnnotated("a", "enabled");
    expect(await isRedirected(netns)).toBe(true);
  });

  it("leaves a pod alone that the proxy refuses, and serves the others", async () => {
    await bed.startAgent();
    let isFixed = false;
    const ztunnel = await bed.connectZtunnel({
      answer: (message) => (/shop\/a/.test(message) && !isFixed ? "port 15001 is taken" : undefined),
    });
    await bed.createPod("a");
    const other = await bed.createPod("b");
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("b", "enabled");
    await bed.whenAnnotated("a", "pending");
    expect(await isRedirected(bed.net.pod("a").netns)).toBe(false);
    expect(ztunnel.uids).toEqual([other]);
    isFixed = true;
    await bed.whenAnnotated("a", "enabled");
    expect(await isRedirected(bed.net.pod("a").netns)).toBe(true);
  });

  it("does not redirect to ports where nobody listens", async () => {
    await bed.createPod("a", { annotations: { "ambient.istio.io/dns-capture": "true" } });
    await bed.startAgent();
    await bed.connectZtunnel();
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "pending");
    const [event] = await eventually("an event", async () => {
      const events = await bed.eventsOf("a");
      return events.length > 0 && events;
    });
    expect(event?.message).toMatch(/does not listen on 15053 in pod shop\/a; .*AMBIENT_DNS_CAPTURE=false/);
    expect(await isRedirected(bed.net.pod("a").netns)).toBe(false);
  });

  it("waits for the address of a pod", async () => {
    const { netns, address } = bed.net.pod("a");
    await bed.createPod("a", { addresses: [] });
    await bed.createPod("b");
    await bed.startAgent();
    await bed.connectZtunnel();
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("b", "enabled");
    expect([await bed.annotationOf("a"), await isRedirected(netns)]).toEqual([undefined, false]);
    await bed.setAddresses("a", [address]);
    await bed.whenAnnotated("a", "enabled");
    expect(await isRedirected(netns)).toBe(true);
  });

  it("changes the rules with the annotations of the pod", async () => {
    const { netns } = bed.net.pod("a");
    await bed.createPod("a");
    await bed.startAgent();
    await bed.connectZtunnel();
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    const annotations = { "istio.io/reroute-virtual-interfaces": "tap0, ba;d" };
    await bed.client.mergePatch(RESOURCES.Pod, { name: "a", namespace: "shop" }, { metadata: { annotations } });
    await eventually("a rule for tap0", async () => JSON.stringify(await listNftables({ netns })).includes("tap0"));
    const [event] = await eventually("an event", async () => {
      const events = await bed.eventsOf("a");
      return events.length > 0 && events;
    });
    expect(event).toMatchObject({
      reason: "AmbientAnnotationIgnored",
      message: "annotation istio.io/reroute-virtual-interfaces names what can't be an interface, or more than 16: ba;d",
    });
  });

  it.each(["Succeeded", "Failed"])("lets go of a pod that has ended: %s", async (phase) => {
    const uid = await bed.createPod("a");
    await bed.startAgent();
    const ztunnel = await bed.connectZtunnel();
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    await bed.client.mergePatch(
      RESOURCES.Pod,
      { name: "a", namespace: "shop" },
      { status: { phase } },
      { subresource: "status" },
    );
    await eventually("its end", async () => (await bed.metric("nodeagent_enrolled_pods")) === "0");
    expect(ztunnel.messages.at(-1)).toBe(`del ${uid}`);
  });

  it("lets go of a pod that is deleted, and takes its successor of the same name for another", async () => {
    const uid = await bed.createPod("a");
    await bed.startAgent();
    const ztunnel = await bed.connectZtunnel();
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    await bed.client.delete(RESOURCES.Pod, { name: "a", namespace: "shop" }, { gracePeriodSeconds: 0 });
    await eventually("del", () => ztunnel.messages.includes(`del ${uid}`));
    const successor = await bed.createPod("a");
    await bed.whenAnnotated("a", "enabled");
    expect(ztunnel.uids).toEqual([successor]);
    expect(successor).not.toBe(uid);
  });

  it("follows a pod into a new sandbox that nobody reported", async () => {
    const [a, c] = [bed.net.pod("a"), bed.net.pod("c")];
    const uid = await bed.createPod("a");
    await bed.startAgent();
    const ztunnel = await bed.connectZtunnel();
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    await bed.proc.add(podGroup(uid), c.netns);
    await runProgram(["ip", "address", "flush", "dev", "eth0"], { netns: a.netns });
    await bed.setAddresses("a", [c.address]);
    await eventually("the new sandbox", () => isRedirected(c.netns));
    expect(ztunnel.messages.filter((message) => message.startsWith("add"))).toHaveLength(2);
  });

  it("counts what it does", async () => {
    await bed.createPod("a");
    await bed.startAgent();
    expect(await bed.metric("ztunnel_connected")).toBe("0");
    const ztunnel = await bed.connectZtunnel();
    expect(await bed.metric("ztunnel_connected")).toBe("1");
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    expect(await bed.metric("nodeagent_enrolled_pods")).toBe("1");
    expect(Number(await bed.metric('nodeagent_reconcile_events_total{type="update"}'))).toBeGreaterThan(0);
    await ztunnel.disconnect();
    await eventually("no connection", async () => (await bed.metric("ztunnel_connected")) === "0");
  });
});
