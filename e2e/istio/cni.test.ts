// SPDX-License-Identifier: Apache-2.0
// Run by `npm run e2e:istio`, like control-plane.test.ts: pods that Istio's CNI agent redirects and hands over to our ztunnel.
import { RESOURCES } from "@ambientmesh/kube";
import { buildNetwork, canUseNetns, type TestNetwork } from "@ambientmesh/testkit";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { callPlugin, podArgs } from "../../packages/cni/test/support/call-plugin.ts";
import { applyYaml } from "../../packages/istiod/test/support/mesh.ts";
import type { RealKube } from "../../packages/istiod/test/support/real-kube.ts";
import { readSome } from "../../packages/ztunnel/test/testbed/mesh.ts";
import { netnsPathOf, startIstioAgent, type IstioAgent } from "./cni-agent.ts";
import { VIP, idOf, podYaml, startCluster } from "./cluster.ts";
import { needIstio } from "./install.ts";
import { startIstioIstiod } from "./istiod.ts";
import { Proxies } from "./proxies.ts";

const { missing, path } = await needIstio("pilot-discovery", "install-cni");
const title = missing === undefined ? "Istio's CNI agent and our ztunnel" : `skipped: ${missing}`;
const PATIENT = { timeout: 30_000, interval: 50 };

const isSkipped = missing !== undefined || !canUseNetns(process.env);

describe.skipIf(isSkipped).each(["iptables", "nftables"] as const)(`${title}, with %s`, (rules) => {
  const stack = new AsyncDisposableStack();
  let network: TestNetwork;
  let kube: RealKube;
  let agent: IstioAgent;
  let proxies: Proxies;

  beforeAll(async () => {
    network = stack.use(await buildNetwork({ nodes: { n1: { pods: ["client", "server"] } } }));
    kube = stack.use(await startCluster(network, "scheduled"));
    const istiod = stack.use(await startIstioIstiod(path("pilot-discovery"), kube.kubeconfig));
    const { kubeconfig } = kube;
    agent = stack.use(await startIstioAgent({ program: path("install-cni"), network, node: "n1", kubeconfig, rules }));
    const { zdsPath } = agent;
    proxies = stack.use(await Proxies.start({ network, client: kube.client, address: istiod.address, zdsPath }));
    await proxies.echo("server", 8080);
  });
  afterAll(() => stack.disposeAsync());

  async function podsOfProxy(): Promise<readonly unknown[]> {
    const { workloadState } = JSON.parse(await proxies.node("n1").dump()) as {
      readonly workloadState: Readonly<Record<string, { readonly info: { readonly name: string } }>>;
    };
    return Object.entries(workloadState)
      .map(([uid, { info }]) => `${info.name} ${uid}`)
      .toSorted();
  }

  const uidOf = async (name: string): Promise<string> =>
    (await kube.client.get(RESOURCES.Pod, { namespace: "default", name })).metadata.uid ?? "";

  it("takes new sandboxes from our CNI plugin and hands them over", async () => {
    for (const { name, address, address6, gateway } of network.pods) {
      const result = await callPlugin({
        command: "ADD",
        netns: netnsPathOf(name),
        args: podArgs("default", name, await uidOf(name)),
        config: {
          cniVersion: "1.0.0",
          name: "test",
          type: "istio-cni",
          cni_agent_run_dir: agent.runDirectory,
          prevResult: {
            cniVersion: "1.0.0",
            interfaces: [{ name: "eth0", sandbox: "pod" }],
            ips: [
              { address: `${address}/24`, gateway, interface: 0 },
              { address: `${address6}/64`, interface: 0 },
            ],
          },
        },
      });
      expect(result).toMatchObject({ exitCode: 0, stderr: "" });
    }
    const { stdout: tables } = await network.exec("client", ["nft", "list", "tables"]);
    expect(tables.includes("istio-ambient")).toBe(rules === "nftables");
    expect(await podsOfProxy()).toEqual([`client ${await uidOf("client")}`, `server ${await uidOf("server")}`]);
  });

  it("joins the pods by HBONE through Istio's redirection", async () => {
    for (const pod of network.pods) await applyYaml(kube.client, podYaml(pod, "running"));
    await vi.waitFor(async () => {
      for (const { name } of network.pods) {
        const { metadata } = await kube.client.get(RESOURCES.Pod, { namespace: "default", name });
        expect(metadata.annotations).toMatchObject({ "ambient.istio.io/redirection": "enabled" });
      }
      const dump = await proxies.node("n1").dump();
      expect(dump.match(/"protocol": *"HBONE"/g)).toHaveLength(2);
    }, PATIENT);
    const socket = await proxies.connect("client", VIP, 80);
    socket.write("hello");
    expect(await readSome(socket)).toBe("hello");
    socket.end();
    const identities = { "src.identity": idOf("client"), "dst.identity": idOf("server") };
    for (const direction of ["outbound", "inbound"]) {
      await vi.waitFor(() => {
        expect(proxies.node("n1").access()).toContainEqual(expect.objectContaining({ direction, ...identities }));
      }, PATIENT);
    }
  });

  it("gives the agent nothing to complain about", async () => {
    const complaints = (await agent.log()).split("\n").filter((line) => /\t(error|fatal)\t/.test(line));
    expect(complaints).toEqual([]);
  });

  it("hands all pods over to the next ztunnel, which serves them", async () => {
    const before = await podsOfProxy();
    await proxies.replace("n1");
    expect(await podsOfProxy()).toEqual(before);
    const socket = await proxies.connect("client", VIP, 80);
    socket.write("again");
    expect(await readSome(socket)).toBe("again");
  });

  it("takes a pod back that was deleted", async () => {
    await kube.client.delete(RESOURCES.Pod, { namespace: "default", name: "client" }, { gracePeriodSeconds: 0 });
    const rest = [`server ${await uidOf("server")}`];
    await vi.waitFor(async () => expect(await podsOfProxy()).toEqual(rest), PATIENT);
  });
});
