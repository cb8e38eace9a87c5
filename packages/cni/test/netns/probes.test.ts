// SPDX-License-Identifier: Apache-2.0
// Needs root: npx vitest run --project netns packages/cni/test/netns/probes.test.ts
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NetworkPlan, detectIptables, linuxErrors, runProgram, type NetnsRef } from "@ambientmesh/linux";
import { buildNetwork, canUseNetns, type TestNetwork, type TestNode, type TestPod } from "@ambientmesh/testkit";
import { IptablesProbeRules } from "../../src/probes/iptables-probe-rules.ts";
import { NftProbeRules } from "../../src/probes/nft-probe-rules.ts";
import type { ProbeRuleSet, ProbeRules } from "../../src/probes/probe-rules.ts";
import { IptablesRules } from "../../src/redirection/iptables/iptables-rules.ts";
import { NetfilterRedirection } from "../../src/redirection/netfilter-redirection.ts";
import { NftRules } from "../../src/redirection/nftables/nft-rules.ts";
import { Echo, EchoClient } from "../support/echo.ts";
import { PodProxy } from "../support/pod-proxy.ts";

const SOURCE = { v4: "169.254.7.127", v6: "fd16:9254:7127:1337:ffff:ffff:ffff:ffff" };
const KUBELET = 4321;
const SOMEBODY = 4322;
const POD_RULES = {
  hasInboundCapture: true,
  hasDnsCapture: false,
  outboundInterfaces: [],
  hasIpv6: true,
  probeSource: SOURCE,
  hasProbeHopCheck: true,
};
const isRunnable = canUseNetns(process.env);
const tools = isRunnable ? await detectIptables() : [];
const KINDS: readonly (readonly [string, () => ProbeRuleSet, () => NetfilterRedirection])[] = [
  ["nftables", () => new NftProbeRules(), () => new NetfilterRedirection(new NftRules())],
  ...tools.map(
    (tool) =>
      [
        `iptables (${tool.variant})`,
        () => new IptablesProbeRules(tool),
        () => new NetfilterRedirection(new IptablesRules(tool)),
      ] as const,
  ),
];

describe.runIf(isRunnable).each(KINDS)("health probes marked by %s", (_name, createRules, createRedirection) => {
  let net: TestNetwork;
  let node: TestNode;
  let a: TestPod;
  let proxy: PodProxy;
  let app: Echo;
  let probes: ProbeRuleSet;
  let rules: ProbeRules;

  beforeEach(async () => {
    net = await buildNetwork({ nodes: { n1: { pods: ["a", "b"] }, n2: { pods: ["c"] } } });
    node = net.node("n1");
    a = net.pod("a");
    await new NetworkPlan()
      .route(a.netns, { to: SOURCE.v4, via: a.gateway })
      .route(a.netns, { to: SOURCE.v6, via: a.gateway6 })
      .apply();
    proxy = new PodProxy(a.netns);
    await proxy.start();
    app = await new Echo().listen(a.netns, 8080);
    await createRedirection().apply(a.netns, POD_RULES);
    probes = createRules();
    rules = {
      origin: { kind: "uid", uid: KUBELET },
      addresses: [a.address, a.address6],
      source: SOURCE,
      hasIpv6: true,
    };
  });
  afterEach(async () => {
    await app[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
    await net[Symbol.asyncDispose]();
  });

  describe.each(["v4", "v6"] as const)("over %s", (family) => {
    const target = (): string => (family === "v4" ? a.address : a.address6);

    it("reach the app past the proxy, with the address of probes", async () => {
      await probes.apply(node.netns, rules);
      expect(await firstLine(node.netns, target(), KUBELET)).toBe(SOURCE[family]);
      expect(proxy.seen).toEqual([]);
    });

    it("are not what other users of the node send", async () => {
      await probes.apply(node.netns, rules);
      const answer = await firstLine(node.netns, target(), SOMEBODY);
      expect(answer).toBe(family === "v4" ? a.gateway : a.gateway6);
      expect(proxy.seen).toHaveLength(1);
    });

    it("leave pods outside the mesh alone", async () => {
      await probes.apply(node.netns, { ...rules, addresses: [] });
      expect(await firstLine(node.netns, target(), KUBELET)).toBe(family === "v4" ? a.gateway : a.gateway6);
      expect(proxy.seen).toHaveLength(1);
    });

    it("can't be faked by a pod of another node: the packet is dropped", async () => {
      await probes.apply(node.netns, rules);
      await haveProbeAddress(net.pod("c").netns, family);
      expect(await answerTo(net.pod("c").netns, target(), SOURCE[family])).toBe("");
      expect(proxy.seen).toEqual([]);
    });
  });

  it("keep their address when rules are written again", async () => {
    await probes.apply(node.netns, rules);
    await probes.apply(node.netns, { ...rules, addresses: [...rules.addresses, "10.0.1.9"] });
    expect(await firstLine(node.netns, a.address, KUBELET)).toBe(SOURCE.v4);
  });

  it("know whether their rules are there, and are repaired", async () => {
    expect(await probes.inspect(node.netns, rules)).toBe("absent");
    await probes.apply(node.netns, rules);
    await firstLine(node.netns, a.address, KUBELET);
    expect(await probes.inspect(node.netns, rules)).toBe("intact");
    expect(await probes.inspect(node.netns, { ...rules, addresses: [] })).toBe("altered");
    expect(await probes.inspect(node.netns, { ...rules, origin: { kind: "uid", uid: 1 } })).toBe("altered");
    await flush(node.netns);
    expect(await probes.inspect(node.netns, rules)).toBe("absent");
    await probes.apply(node.netns, rules);
    expect(await firstLine(node.netns, a.address, KUBELET)).toBe(SOURCE.v4);
  });

  it("leave nothing behind", async () => {
    await probes.apply(node.netns, rules);
    await probes.remove(node.netns);
    await probes.remove(node.netns);
    expect(await probes.inspect(node.netns, rules)).toBe("absent");
    expect(await firstLine(node.netns, a.address, KUBELET)).toBe(a.gateway);
  });

  it("are told from routed packets by their TTL, should nothing drop them", async () => {
    const c = net.pod("c");
    await haveProbeAddress(c.netns, "v4");
    await new NetworkPlan().route(node.netns, { to: SOURCE.v4, via: net.node("n2").address }).apply();
    await new NetworkPlan().route(net.node("n2").netns, { to: SOURCE.v4, via: c.address }).apply();
    expect(await answerTo(c.netns, a.address, SOURCE.v4)).toBe(SOURCE.v4);
    expect(proxy.seen).toEqual([`inbound ${a.address}:8080`]);
  });
});

describe.runIf(isRunnable)("a pod on the same bridge", () => {
  it("can't send with the address of probes", async () => {
    await using net = await buildNetwork({ nodes: { n1: { pods: ["a", "b"] } } });
    const [a, b] = [net.pod("a"), net.pod("b")];
    await using _app = await new Echo().listen(a.netns, 8080);
    await haveProbeAddress(b.netns, "v4");
    await new NetworkPlan().route(a.netns, { to: SOURCE.v4, via: b.address }).apply();
    expect(await answerTo(b.netns, a.address, SOURCE.v4)).toBe(SOURCE.v4);
    const rules: ProbeRules = { origin: { kind: "uid", uid: 0 }, addresses: [], source: SOURCE, hasIpv6: true };
    await new NftProbeRules().apply(net.node("n1").netns, rules);
    expect(await answerTo(b.netns, a.address, SOURCE.v4)).toBe("");
    expect(await firstLine(b.netns, a.address, 0)).toBe(b.address);
  });
});

/** What a server says first to a connection that a user opens; empty if nothing comes. */
async function firstLine(netns: NetnsRef, host: string, uid: number): Promise<string> {
  const script = 'exec 3<>"/dev/tcp/$0/8080" && IFS= read -r -t 5 line <&3 && echo "$line"';
  const user = ["setpriv", "--reuid", String(uid), "--clear-groups"] as const;
  const { stdout } = await runProgram([...user, "bash", "-c", script, host], { netns });
  return stdout.trim();
}

/** The same with a source address of the client's choice; empty if it gets no answer. */
async function answerTo(netns: NetnsRef, host: string, bindAddress: string): Promise<string> {
  try {
    using client = await EchoClient.connect(netns, { host, port: 8080, bindAddress, timeoutMs: 1000 });
    return client.seenAs;
  } catch (error) {
    if (!linuxErrors.is(error, "LINUX_CONNECT_TIMEOUT")) throw error;
    return "";
  }
}

async function haveProbeAddress(netns: NetnsRef, family: "v4" | "v6"): Promise<void> {
  const nodad = family === "v6" ? ["nodad"] : [];
  await runProgram(["ip", "address", "add", SOURCE[family], "dev", "lo", ...nodad], { netns });
}

async function flush(netns: NetnsRef): Promise<void> {
  await runProgram(["nft", "flush", "ruleset"], { netns });
  for (const tool of tools) {
    for (const table of ["raw", "mangle", "nat"]) {
      for (const program of Object.values(tool.programs)) {
        await runProgram([program, "-t", table, "-F"], { netns });
        await runProgram([program, "-t", table, "-X"], { netns });
      }
    }
  }
}
