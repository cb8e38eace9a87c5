// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/cni/test/netns/redirection.test.ts
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import {
  NetworkPlan,
  bindUdp,
  connectTcp,
  createNetns,
  detectIptables,
  ipJson,
  readSysctl,
  runProgram,
  type NetnsRef,
} from "@ambientmesh/linux";
import { buildNetwork, canUseNetns, type TestNetwork, type TestPod } from "@ambientmesh/testkit";
import { IptablesRules } from "../../src/redirection/iptables/iptables-rules.ts";
import { NetfilterRedirection } from "../../src/redirection/netfilter-redirection.ts";
import { NftRules } from "../../src/redirection/nftables/nft-rules.ts";
import type { PacketRules } from "../../src/redirection/packet-rules.ts";
import type { PodRules } from "../../src/redirection/redirection.ts";
import { Echo, EchoClient } from "../support/echo.ts";
import { PodProxy } from "../support/pod-proxy.ts";

const PROBE = { v4: "169.254.7.127", v6: "fd16:9254:7127:1337:ffff:ffff:ffff:ffff" };
const RULES: PodRules = {
  hasInboundCapture: true,
  hasDnsCapture: false,
  outboundInterfaces: [],
  hasIpv6: true,
  probeSource: PROBE,
  hasProbeHopCheck: false,
};
const MARK = 0x539;
const isRunnable = canUseNetns(process.env);
const tools = isRunnable ? await detectIptables() : [];
const KINDS: readonly (readonly [string, () => PacketRules])[] = [
  ["nftables", () => new NftRules()],
  ...tools.map((tool) => [`iptables (${tool.variant})`, () => new IptablesRules(tool)] as const),
];
const FAMILIES = ["v4", "v6"] as const;
type Family = (typeof FAMILIES)[number];

const addressOf = (pod: TestPod, family: Family): string => (family === "v4" ? pod.address : pod.address6);

it.runIf(isRunnable)("finds both variants of iptables here, so that all are tried", () => {
  expect(tools.map(({ variant }) => variant)).toEqual(["nft", "legacy"]);
});

/** One suite for all kinds of redirection: they must not differ. Pod a is the one that is redirected, b is somebody else. */
describe.runIf(isRunnable).each(KINDS)("redirection by %s", (name, createRules) => {
  const others = KINDS.filter(([kind]) => kind !== name);
  let net: TestNetwork;
  let a: TestPod;
  let b: TestPod;
  let proxy: PodProxy;
  let redirection: NetfilterRedirection;

  beforeEach(async () => {
    net = await buildNetwork({ nodes: { n1: { pods: ["a", "b"] } } });
    a = net.pod("a");
    b = net.pod("b");
    proxy = new PodProxy(a.netns);
    await proxy.start({ hasDns: true });
    redirection = new NetfilterRedirection(createRules());
  });
  afterEach(async () => {
    await proxy[Symbol.asyncDispose]();
    await net[Symbol.asyncDispose]();
  });

  describe.each(FAMILIES)("over %s", (family) => {
    it("takes over what the pod opens, and the destination is known", async () => {
      await redirection.apply(a.netns, RULES);
      await using _echo = await new Echo().listen(b.netns, 8080);
      using client = await EchoClient.connect(a.netns, { host: addressOf(b, family), port: 8080 });
      expect(await client.say("hello")).toBe("hello");
      const host = family === "v4" ? b.address : `[${b.address6}]`;
      expect(proxy.seen).toEqual([`outbound ${host}:8080`]);
    });

    it("takes over what others open to the pod, and the app sees the client's address", async () => {
      await redirection.apply(a.netns, RULES);
      await using _echo = await new Echo().listen(a.netns, 8080);
      using client = await EchoClient.connect(b.netns, { host: addressOf(a, family), port: 8080 });
      expect(await client.say("hello")).toBe("hello");
      expect(client.seenAs).toBe(addressOf(b, family));
      const host = family === "v4" ? a.address : `[${a.address6}]`;
      expect(proxy.seen).toEqual([`inbound ${host}:8080`]);
    });

    it("leaves HBONE to the proxy's own port", async () => {
      await redirection.apply(a.netns, RULES);
      const socket = await connectTcp({ netns: b.netns, host: addressOf(a, family), port: 15_008 });
      expect(Buffer.concat((await socket.toArray()) as Buffer[]).toString()).toBe("hbone");
      expect(proxy.seen).toEqual(["hbone"]);
    });

    it("leaves the proxy's own connections alone", async () => {
      await redirection.apply(a.netns, RULES);
      await using _echo = await new Echo().listen(b.netns, 8080);
      using client = await EchoClient.connect(a.netns, { host: addressOf(b, family), port: 8080, mark: MARK });
      expect(await client.say("hello")).toBe("hello");
      expect(proxy.seen).toEqual([]);
    });

    it.each(["loopback", "own address"])("leaves connections of the pod to itself alone: %s", async (target) => {
      await redirection.apply(a.netns, RULES);
      await using _echo = await new Echo().listen(a.netns, 8080);
      const loopback = family === "v4" ? "127.0.0.1" : "::1";
      const host = target === "loopback" ? loopback : addressOf(a, family);
      using client = await EchoClient.connect(a.netns, { host, port: 8080 });
      expect(await client.say("hello")).toBe("hello");
      expect(proxy.seen).toEqual([]);
    });

    it("leaves the node's health probes alone", async () => {
      await redirection.apply(a.netns, RULES);
      const { netns } = net.node("n1");
      await new NetworkPlan().route(a.netns, { to: PROBE[family], via: gatewayOf(family) }).apply();
      await runProgram(["ip", "address", "add", PROBE[family], "dev", "lo"], { netns });
      await using _echo = await new Echo().listen(a.netns, 8080);
      const target = { host: addressOf(a, family), port: 8080, bindAddress: PROBE[family] };
      using client = await EchoClient.connect(netns, target);
      expect(await client.say("alive?")).toBe("alive?");
      expect([client.seenAs, proxy.seen]).toEqual([PROBE[family], []]);
    });

    it("takes over DNS where that is wanted", async () => {
      await redirection.apply(a.netns, { ...RULES, hasDnsCapture: true });
      expect(await ask(a.netns, addressOf(b, family))).toBe("answer");
      const tcp = await connectTcp({ netns: a.netns, host: addressOf(b, family), port: 53 });
      expect(Buffer.concat((await tcp.toArray()) as Buffer[]).toString()).toBe("answer");
      expect(proxy.seen).toEqual(["dns udp", "dns tcp"]);
    });

    it("leaves UDP DNS alone where it is not", async () => {
      await redirection.apply(a.netns, RULES);
      const server = await bindUdp({ netns: b.netns, address: "::", port: 53 });
      server.on("message", (_question, from) => server.send("from b", from.port, from.address));
      expect(await ask(a.netns, addressOf(b, family))).toBe("from b");
      server.close();
      expect(proxy.seen).toEqual([]);
    });

    it("lets the proxy ask DNS servers itself", async () => {
      await redirection.apply(a.netns, { ...RULES, hasDnsCapture: true });
      const server = await bindUdp({ netns: b.netns, address: "::", port: 53 });
      server.on("message", (_question, from) => server.send("from b", from.port, from.address));
      expect(await ask(a.netns, addressOf(b, family), MARK)).toBe("from b");
      server.close();
      expect(proxy.seen).toEqual([]);
    });

    it("treats what comes from inside by a virtual interface as sent by the pod", async () => {
      using guest = createNetns();
      const [host, own] = family === "v4" ? ["192.168.9.1", "192.168.9.2"] : ["fd99::1", "fd99::2"];
      const length = family === "v4" ? 24 : 64;
      await new NetworkPlan()
        .loopback(guest)
        .veth(
          { netns: a.netns, name: "tap0", addresses: [`${host}/${length}`] },
          { netns: guest, name: "eth0", addresses: [`${own}/${length}`] },
        )
        .route(guest, { to: "default", via: host })
        .apply();
      await redirection.apply(a.netns, { ...RULES, outboundInterfaces: ["tap0"] });
      await using _echo = await new Echo().listen(b.netns, 8080);
      using client = await EchoClient.connect(guest, { host: addressOf(b, family), port: 8080 });
      expect(await client.say("hello")).toBe("hello");
      expect(proxy.seen).toHaveLength(1);
      expect(proxy.seen[0]).toMatch(/^outbound/);
    });

    it("lets connections to the pod pass where inbound capture is bypassed, and takes over the others", async () => {
      await redirection.apply(a.netns, { ...RULES, hasInboundCapture: false });
      await using _inside = await new Echo().listen(a.netns, 8080);
      using incoming = await EchoClient.connect(b.netns, { host: addressOf(a, family), port: 8080 });
      expect(await incoming.say("in")).toBe("in");
      expect(proxy.seen).toEqual([]);
      await using _outside = await new Echo().listen(b.netns, 8080);
      using outgoing = await EchoClient.connect(a.netns, { host: addressOf(b, family), port: 8080 });
      expect(await outgoing.say("out")).toBe("out");
      expect(proxy.seen).toHaveLength(1);
    });

    it.each(["client", "server"] as const)(
      "keeps a connection that was open before, with the rules at its %s",
      async (side) => {
        const [near, far] = side === "client" ? [a, b] : [b, a];
        await using _echo = await new Echo().listen(far.netns, 8080);
        using client = await EchoClient.connect(near.netns, { host: addressOf(far, family), port: 8080 });
        await redirection.apply(a.netns, RULES);
        expect(await client.say("applied")).toBe("applied");
        await redirection.apply(a.netns, { ...RULES, hasDnsCapture: true });
        expect(await client.say("changed")).toBe("changed");
        await redirection.release(a.netns);
        expect(await client.say("released")).toBe("released");
        await redirection.remove(a.netns);
        expect(await client.say("removed")).toBe("removed");
        expect(proxy.seen).toEqual([]);
      },
    );

    it("keeps a connection that it took over, when rules change and when the pod is released", async () => {
      await redirection.apply(a.netns, RULES);
      await using _echo = await new Echo().listen(b.netns, 8080);
      using client = await EchoClient.connect(a.netns, { host: addressOf(b, family), port: 8080 });
      await redirection.apply(a.netns, { ...RULES, hasDnsCapture: true });
      expect(await client.say("changed")).toBe("changed");
      await redirection.release(a.netns);
      expect(await client.say("released")).toBe("released");
      expect(proxy.seen).toHaveLength(1);
    });

    it("leaves new connections alone after a release", async () => {
      await redirection.apply(a.netns, RULES);
      await redirection.release(a.netns);
      await using _outside = await new Echo().listen(b.netns, 8080);
      using outgoing = await EchoClient.connect(a.netns, { host: addressOf(b, family), port: 8080 });
      await using _inside = await new Echo().listen(a.netns, 8080);
      using incoming = await EchoClient.connect(b.netns, { host: addressOf(a, family), port: 8080 });
      expect([await outgoing.say("out"), await incoming.say("in"), proxy.seen]).toEqual(["out", "in", []]);
    });

    it("passes over IPv6 where that is off", async () => {
      await redirection.apply(a.netns, { ...RULES, hasDnsCapture: true, hasIpv6: false });
      await using _echo = await new Echo().listen(b.netns, 8080);
      using client = await EchoClient.connect(a.netns, { host: addressOf(b, family), port: 8080 });
      expect(await client.say("hello")).toBe("hello");
      expect(proxy.seen).toHaveLength(family === "v4" ? 1 : 0);
    });
  });

  test("a proxy that ends tells the app, whose bytes don't reach the network", async () => {
    await redirection.apply(a.netns, RULES);
    await using _echo = await new Echo().listen(b.netns, 8080);
    using client = await EchoClient.connect(a.netns, { host: b.address, port: 8080 });
    await redirection.release(a.netns);
    await proxy[Symbol.asyncDispose]();
    await expect(client.say("secret")).rejects.toThrow(/ended|ECONNRESET/);
  });

  it("tells whether its rules are there", async () => {
    expect(await redirection.inspect(a.netns, RULES)).toBe("absent");
    await redirection.apply(a.netns, RULES);
    expect(await redirection.inspect(a.netns, RULES)).toBe("intact");
    expect(await redirection.inspect(a.netns, { ...RULES, hasDnsCapture: true })).toBe("altered");
    await redirection.release(a.netns);
    expect(await redirection.inspect(a.netns, RULES)).toBe("altered");
  });

  it.each([
    ["a missing policy route", ["ip", "route", "flush", "table", "100"]],
    ["a missing policy rule", ["ip", "-6", "rule", "del", "pref", "32764"]],
  ] as const)("sees and repairs %s", async (_what, command) => {
    await redirection.apply(a.netns, RULES);
    expect((await runProgram([...command], { netns: a.netns })).exitCode).toBe(0);
    expect(await redirection.inspect(a.netns, RULES)).toBe("altered");
    await redirection.apply(a.netns, RULES);
    expect(await redirection.inspect(a.netns, RULES)).toBe("intact");
  });

  it("leaves nothing behind, whichever rules were applied and however often", async () => {
    const before = await stateOf(a.netns);
    await redirection.apply(a.netns, RULES);
    await redirection.apply(a.netns, { ...RULES, hasDnsCapture: true, outboundInterfaces: ["tap0"] });
    await redirection.apply(a.netns, { ...RULES, hasInboundCapture: false, hasIpv6: false });
    expect(await stateOf(a.netns)).not.toEqual(before);
    await redirection.remove(a.netns);
    await redirection.remove(a.netns);
    expect(await stateOf(a.netns)).toEqual(before);
  });

  it("leaves rules of others in the pod alone", async () => {
    const own =
      "table inet app {\n\tchain output {\n\t\ttype filter hook output priority filter; policy accept;\n\t\ttcp dport 81 drop\n\t}\n}\n";
    await runProgram(["nft", "-f", "-"], { netns: a.netns, stdin: own });
    await redirection.apply(a.netns, RULES);
    expect(await redirection.inspect(a.netns, RULES)).toBe("intact");
    await redirection.remove(a.netns);
    expect((await runProgram(["nft", "list", "table", "inet", "app"], { netns: a.netns })).stdout).toBe(own);
  });

  it.each(others)("takes over from an agent that used %s, without losing a connection", async (_kind, createFormer) => {
    const former = new NetfilterRedirection(createFormer());
    await former.apply(a.netns, RULES);
    await using _echo = await new Echo().listen(b.netns, 8080);
    using client = await EchoClient.connect(a.netns, { host: b.address, port: 8080 });
    const successor = new NetfilterRedirection(createRules(), [createFormer()]);
    expect(await successor.inspect(a.netns, RULES)).toBe("altered");
    await successor.apply(a.netns, RULES);
    expect(await successor.inspect(a.netns, RULES)).toBe("intact");
    expect(await client.say("still here")).toBe("still here");
    using another = await EchoClient.connect(a.netns, { host: b.address, port: 8080 });
    expect(await another.say("new")).toBe("new");
    expect(proxy.seen).toHaveLength(2);
  });

  it.each(others)("leaves nothing behind of what an agent did that used %s", async (_kind, createFormer) => {
    const before = await stateOf(a.netns);
    await new NetfilterRedirection(createFormer()).apply(a.netns, RULES);
    const successor = new NetfilterRedirection(createRules(), [createFormer()]);
    await successor.inspect(a.netns, RULES);
    await successor.release(a.netns);
    await using _echo = await new Echo().listen(b.netns, 8080);
    using client = await EchoClient.connect(a.netns, { host: b.address, port: 8080 });
    expect([await client.say("released"), proxy.seen]).toEqual(["released", []]);
    await successor.remove(a.netns);
    expect(await stateOf(a.netns)).toEqual(before);
  });

  function gatewayOf(family: Family): string {
    return family === "v4" ? a.gateway : a.gateway6;
  }
});

/** One question to a DNS server, as any program would send it. */
async function ask(netns: NetnsRef, server: string, mark?: number): Promise<string> {
  const address = server.includes(":") ? "::" : "0.0.0.0";
  const socket = await bindUdp({ netns, address, port: 0, ...(mark !== undefined && { mark }) });
  const answer = once(socket, "message");
  socket.send("question", 53, server);
  const [data] = (await answer) as [Buffer];
  socket.close();
  return data.toString();
}

/** Everything that a redirection may change in a namespace, empty chains aside. */
async function stateOf(netns: NetnsRef): Promise<unknown> {
  const rules = await Promise.all(
    [["nft", "list", "ruleset"], ["iptables-legacy-save"], ["ip6tables-legacy-save"]].map(
      async (command) => (await runProgram(command as [string], { netns })).stdout,
    ),
  );
  return {
    rules: rules.flatMap((text) =>
      text.split("\n").filter((line) => /redirect|REDIRECT|mark|ISTIO|istio|jump/.test(line)),
    ),
    routing: await Promise.all(
      ([4, 6] as const).flatMap((version) => [
        ipJson(["rule", "list"], { netns, version }),
        ipJson(["route", "list", "table", "all", "type", "local"], { netns, version }),
      ]),
    ),
    pickUp: readSysctl(netns, "net/netfilter/nf_conntrack_tcp_loose"),
  };
}
