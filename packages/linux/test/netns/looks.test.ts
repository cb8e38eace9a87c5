// SPDX-License-Identifier: Apache-2.0
// Needs root, or `unshare -Urnm`: npx vitest run --project netns packages/linux/test/netns/looks.test.ts
import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { canUseNetns } from "@ambientmesh/testkit";
import {
  NetworkPlan,
  applyNftables,
  createNetns,
  listenTcp,
  listeningTcpPorts,
  nftGeneration,
  routingFingerprint,
  runProgram,
  type Netns,
} from "../../src/index.ts";

describe.runIf(canUseNetns(process.env))("looks without a program", () => {
  let netns: Netns;

  beforeEach(async () => {
    netns = createNetns();
    await new NetworkPlan().loopback(netns).apply();
  });
  afterEach(() => {
    netns[Symbol.dispose]();
  });

  it("see who listens, over IPv4 and IPv6", async () => {
    expect(listeningTcpPorts(netns)).toEqual(new Set());
    const servers = [createServer(), createServer()] as const;
    await listenTcp(servers[0], { netns, address: "127.0.0.1", port: 1234 });
    await listenTcp(servers[1], { netns, address: "::", port: 2345 });
    expect(listeningTcpPorts(netns)).toEqual(new Set([1234, 2345]));
    for (const server of servers) {
      const closed = once(server, "close");
      server.close();
      await closed;
    }
    expect(listeningTcpPorts(netns)).toEqual(new Set());
  });

  it("see that rules have changed", async () => {
    const before = nftGeneration(netns);
    expect(nftGeneration(netns)).toBe(before);
    await applyNftables("table inet x {\n}\n", { netns });
    const after = nftGeneration(netns);
    expect(after).not.toBe(before);
    await runProgram(["iptables-nft", "-A", "INPUT", "-j", "ACCEPT"], { netns });
    expect(nftGeneration(netns)).not.toBe(after);
  });

  it.each([
    ["rule", "add", "pref", "5", "fwmark", "1", "lookup", "100"],
    ["-6", "rule", "add", "pref", "5", "fwmark", "1", "lookup", "100"],
    ["route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "100"],
    ["-6", "route", "add", "local", "::/0", "dev", "lo", "table", "100"],
  ])("see that routing has changed: %s %s %s %s", async (...command) => {
    const before = routingFingerprint(netns);
    expect(routingFingerprint(netns)).toBe(before);
    await runProgram(["ip", ...command], { netns });
    const after = routingFingerprint(netns);
    expect(after).not.toBe(before);
    await runProgram(["ip", ...command.map((word) => (word === "add" ? "del" : word))], { netns });
    expect(routingFingerprint(netns)).toBe(before);
  });
});
