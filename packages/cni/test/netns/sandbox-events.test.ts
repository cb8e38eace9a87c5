// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/sandbox-events.test.ts
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RESOURCES } from "@ambientmesh/kube";
import { listNftables, type NetnsRef } from "@ambientmesh/linux";
import { canUseNetns, type TestPod } from "@ambientmesh/testkit";
import { AgentBed } from "../support/agent-bed.ts";
import { callPlugin, podArgs, type PluginResult } from "../support/call-plugin.ts";
import { Echo, EchoClient } from "../support/echo.ts";
import { eventually } from "../support/eventually.ts";

async function isRedirected(netns: NetnsRef): Promise<boolean> {
  return JSON.stringify(await listNftables({ netns })).includes("istio-ambient-nat");
}

/** A pod whose sandbox is being made: no process, no address in its status yet. */
const STARTING = { addresses: [], hasProcess: false };

describe.runIf(canUseNetns(process.env))("the plugin and the agent", () => {
  let bed: AgentBed;
  let a: TestPod;
  let b: TestPod;

  beforeEach(async () => {
    bed = await AgentBed.create();
    a = bed.net.pod("a");
    b = bed.net.pod("b");
  });
  afterEach(async () => {
    await bed[Symbol.asyncDispose]();
  });

  function call(command: "ADD" | "DEL", pod: TestPod, uid: string, more: object = {}): Promise<PluginResult> {
    return callPlugin({
      command,
      netns: pod.netns.path,
      args: podArgs("shop", "a", uid),
      config: {
        cniVersion: "1.0.0",
        name: "test",
        type: "istio-cni",
        cni_agent_run_dir: bed.runDirectory,
        prevResult: { cniVersion: "1.0.0", ips: [{ address: `${pod.address}/24` }, { address: `${pod.address6}/64` }] },
      },
      ...more,
    });
  }

  it("have a pod redirected before it starts", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    const ztunnel = await bed.connectZtunnel();
    const uid = await bed.createPod("a", STARTING);
    expect(await call("ADD", a, uid)).toMatchObject({ exitCode: 0, stderr: "" });
    expect(await isRedirected(a.netns)).toBe(true);
    expect(ztunnel.uids).toEqual([uid]);
    await using _echo = await new Echo().listen(b.netns, 8080);
    using client = await EchoClient.connect(a.netns, { host: b.address, port: 8080 });
    expect(await client.say("hello")).toBe("hello");
    expect(ztunnel.seen(uid)).toEqual([`outbound ${b.address}:8080`]);
    await bed.whenAnnotated("a", "enabled");
    expect(await bed.metric('istio_cni_plugin_requests_total{response_code="200"}')).toBe("1");
  });

  it("let a pod outside the mesh start, and remember where it is for later", async () => {
    await bed.startAgent();
    await bed.connectZtunnel();
    const uid = await bed.createPod("a", STARTING);
    expect(await call("ADD", a, uid)).toMatchObject({ exitCode: 0 });
    expect(await isRedirected(a.netns)).toBe(false);
    await bed.setAddresses("a", [a.address]);
    await bed.labelNamespace("ambient");
    await bed.whenAnnotated("a", "enabled");
    expect(await isRedirected(a.netns)).toBe(true);
  });

  it("hold a pod of the mesh while there is no proxy, and tell why", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    const uid = await bed.createPod("a", STARTING);
    const { exitCode, output } = await call("ADD", a, uid);
    expect(exitCode).toBe(1);
    const msg =
      "istio-cni: the agent did not let pod shop/a start: pod shop/a can't join the mesh yet: no node proxy is connected";
    expect(output).toMatchObject({ code: 11, msg });
    expect(await isRedirected(a.netns)).toBe(false);
    const [event] = await eventually("an event", async () => {
      const events = await bed.eventsOf("a");
      return events.length > 0 && events;
    });
    expect(event).toMatchObject({ reason: "AmbientEnrolmentFailed" });
    await bed.connectZtunnel();
    expect(await call("ADD", a, uid)).toMatchObject({ exitCode: 0 });
  });

  it("wait for a proxy that is just being restarted", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    const uid = await bed.createPod("a", STARTING);
    const result = call("ADD", a, uid);
    await eventually("the request", () => bed.log.some(({ message }) => message === "the runtime made a sandbox"));
    await bed.connectZtunnel();
    expect(await result).toMatchObject({ exitCode: 0 });
  });

  it("hold one pod that the proxy can't serve, and no other", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    await bed.connectZtunnel({ answer: (message) => (/shop\/a /.test(message) ? "no" : undefined) });
    const bad = await bed.createPod("a", STARTING);
    expect((await call("ADD", a, bad)).output).toMatchObject({
      msg: expect.stringMatching(/the node proxy can't take over pod shop\/a: no$/) as string,
    });
    const good = await bed.createPod("b", STARTING);
    expect(await call("ADD", b, good, { args: podArgs("shop", "b", good) })).toMatchObject({ exitCode: 0 });
  });

  it("take no other namespace for the pod's", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    await bed.connectZtunnel();
    const uid = await bed.createPod("a", STARTING);
    const wrong = { ...a, netns: b.netns };
    expect((await call("ADD", wrong, uid)).output).toMatchObject({
      msg: expect.stringMatching(/holds none of the pod's addresses/) as string,
    });
    expect(await isRedirected(b.netns)).toBe(false);
  });

  it("know no pod of another uid", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    await bed.createPod("a", STARTING);
    expect((await call("ADD", a, "another")).output).toMatchObject({
      msg: expect.stringMatching(/the API server knows no pod shop\/a with uid another/) as string,
    });
  });

  it("go by a new sandbox of the same pod, and are not confused by the end of the old one", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    const ztunnel = await bed.connectZtunnel();
    const uid = await bed.createPod("a", STARTING);
    await call("ADD", a, uid, { containerId: "old" });
    await call("ADD", b, uid, { containerId: "new" });
    expect(await isRedirected(b.netns)).toBe(true);
    await call("DEL", a, uid, { containerId: "old" });
    expect(ztunnel.uids).toEqual([uid]);
    await call("DEL", b, uid, { containerId: "new" });
    expect(ztunnel.uids).toEqual([]);
    expect(await bed.metric("nodeagent_enrolled_pods")).toBe("0");
    expect(existsSync(join(bed.runDirectory, "pods", `${uid}.json`))).toBe(false);
  });

  it("serve a pod although the API server's news of it is late", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    await bed.connectZtunnel();
    const metadata = { name: "a", namespace: "shop" };
    const spec = { nodeName: "elsewhere", containers: [{ name: "app", image: "app" }] };
    // On no watch of this node, so that only a question to the API server finds it.
    const pod = await bed.client.create(RESOURCES.Pod, { metadata, spec });
    expect(await call("ADD", a, pod.metadata.uid ?? "")).toMatchObject({ exitCode: 0 });
    expect(await isRedirected(a.netns)).toBe(true);
  });

  it("start many pods at once", async () => {
    await bed.labelNamespace("ambient");
    await bed.startAgent();
    const ztunnel = await bed.connectZtunnel();
    const uids = [await bed.createPod("a", STARTING), await bed.createPod("b", STARTING)];
    const results = await Promise.all([
      call("ADD", a, uids[0] ?? ""),
      call("ADD", b, uids[1] ?? "", { args: podArgs("shop", "b", uids[1]) }),
    ]);
    expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
    expect(ztunnel.uids).toEqual(uids.toSorted());
  });
});
