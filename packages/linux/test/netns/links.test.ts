// SPDX-License-Identifier: Apache-2.0
import { once } from "node:events";
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { NetworkPlan, connectTcp, createNetns, ipBatch, ipJson, listenTcp, type NetnsRef } from "../../src/index.ts";
import { mayUseNetns } from "./two-pods.ts";

async function canReach(from: NetnsRef, to: NetnsRef, host: string): Promise<boolean> {
  const server = createServer((socket) => socket.destroy());
  const { port } = await listenTcp(server, { netns: to, address: "::", port: 0 });
  try {
    (await connectTcp({ netns: from, host, port })).destroy();
    return true;
  } finally {
    server.close();
    await once(server, "close");
  }
}

describe.runIf(mayUseNetns())("NetworkPlan", () => {
  it("builds a router with two pods on a bridge and one behind it, in both IP versions", async () => {
    using router = createNetns();
    using a = createNetns();
    using b = createNetns();
    using far = createNetns();
    const plan = new NetworkPlan()
      .loopback(router)
      .bridge({ netns: router, name: "br0", addresses: ["10.1.0.1/24", "fd00:1::1/64"] })
      .veth(
        { netns: router, name: "va", bridge: "br0" },
        { netns: a, name: "eth0", addresses: ["10.1.0.2/24", "fd00:1::2/64"], mtu: 1400 },
      )
      .veth(
        { netns: router, name: "vb", bridge: "br0" },
        { netns: b, name: "eth0", addresses: ["10.1.0.3/24", "fd00:1::3/64"] },
      )
      .veth(
        { netns: router, name: "far", addresses: ["10.2.0.1/24", "fd00:2::1/64"] },
        { netns: far, name: "eth0", addresses: ["10.2.0.2/24", "fd00:2::2/64"] },
      )
      .route(far, { to: "default", via: "10.2.0.1" })
      .route(far, { to: "default", via: "fd00:2::1" });
    await plan.apply();
    for (const host of ["10.1.0.3", "fd00:1::3"]) expect(await canReach(a, b, host)).toBe(true);
    for (const host of ["10.1.0.1", "fd00:1::1"]) expect(await canReach(far, router, host)).toBe(true);
    const [eth0] = await ipJson(["link", "show", "dev", "eth0"], { netns: a });
    expect(eth0).toMatchObject({ mtu: 1400, operstate: "UP", linkinfo: { info_kind: "veth" } });
  });

  it("sets up policy routing, in both IP versions", async () => {
    using netns = createNetns();
    const plan = new NetworkPlan().loopback(netns);
    for (const [version, to] of [
      [4, "0.0.0.0/0"],
      [6, "::/0"],
    ] as const) {
      plan
        .rule(netns, { priority: 32_764, mark: 0x111, mask: 0xfff, table: 100, version })
        .route(netns, { to, type: "local", device: "lo", table: 100 });
    }
    await plan.apply();
    for (const version of [4, 6] as const) {
      const rules = await ipJson(["rule"], { netns, version });
      expect(rules).toContainEqual(
        expect.objectContaining({ priority: 32_764, fwmark: "0x111", fwmask: "0xfff", table: "100" }),
      );
      const routes = await ipJson(["route", "show", "table", "100"], { netns, version });
      expect(routes).toEqual([expect.objectContaining({ type: "local", dst: "default", dev: "lo" })]);
    }
  });

  it("sets the source address of a route", async () => {
    using netns = createNetns();
    using far = createNetns();
    await new NetworkPlan()
      .veth({ netns, name: "a", addresses: ["10.0.0.1/32", "10.0.0.2/32"] }, { netns: far, name: "b" })
      .route(netns, { to: "10.1.0.0/16", device: "a", source: "10.0.0.2" })
      .apply();
    const [route] = await ipJson(["route", "get", "10.1.2.3"], { netns });
    expect(route).toMatchObject({ dev: "a", prefsrc: "10.0.0.2" });
  });

  it("puts many pods on the wire with few processes", async () => {
    using router = createNetns();
    using stack = new DisposableStack();
    const plan = new NetworkPlan().bridge({ netns: router, name: "br0" });
    const pods = Array.from({ length: 40 }, (_, at) => {
      const netns = stack.use(createNetns());
      const addresses = [`10.1.0.${at + 2}/24`];
      plan.veth({ netns: router, name: `v${at}`, bridge: "br0" }, { netns, name: "eth0", addresses });
      return netns;
    });
    await plan.apply();
    const [first, last] = [pods.at(0), pods.at(-1)];
    expect(first && last && (await canReach(first, last, "10.1.0.41"))).toBe(true);
  });

  it("says which line ip refused", async () => {
    using netns = createNetns();
    const broken = new NetworkPlan().loopback(netns).route(netns, { to: "10.0.0.0/8", via: "192.0.2.1" });
    await expect(broken.apply()).rejects.toMatchObject({
      code: "LINUX_TOOL_FAILED",
      details: { line: "route add 10.0.0.0/8 via 192.0.2.1", stderr: expect.stringContaining("Nexthop") as string },
    });
  });
});

describe.runIf(mayUseNetns())("ipBatch", () => {
  it("runs in the namespace, stops at the first failure, and keeps what went before", async () => {
    using netns = createNetns();
    const lines = ["link add d0 type bridge", "link set dev nowhere up", "link add d1 type bridge"];
    await expect(ipBatch(lines, { netns })).rejects.toMatchObject({ details: { line: lines[1] } });
    const names = (await ipJson(["link"], { netns })).map((link) => link["ifname"]);
    expect(names).toEqual(["lo", "d0"]);
  });

  it("does nothing for no lines", async () => {
    await expect(ipBatch([])).resolves.toBeUndefined();
  });
});
