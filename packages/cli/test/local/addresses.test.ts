// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { ClusterIpAllocator, lacksClusterIp } from "../../src/local/controllers/cluster-ips.ts";
import { AddressPool } from "../../src/local/network/address-pool.ts";
import { hostDevice } from "../../src/local/network/pod-network.ts";
import { resolvConf } from "../../src/local/network/resolv-conf.ts";
import { service } from "../support/objects.ts";

describe("AddressPool", () => {
  it("gives out every address once, and one that was given back last", () => {
    const pool = new AddressPool("10.244.1.");
    const first = pool.take();
    expect(first).toBe("10.244.1.2");
    pool.giveBack("10.244.1.2");
    const others = Array.from({ length: 252 }, () => pool.take());
    expect(new Set(others).size).toBe(252);
    expect(others).not.toContain("10.244.1.2");
    expect(pool.take()).toBe("10.244.1.2");
    expect(pool.take()).toBeUndefined();
  });
});

describe("ClusterIpAllocator", () => {
  it("leaves the first addresses to services that ask for them, and takes none twice", () => {
    const allocator = new ClusterIpAllocator();
    expect(allocator.next(new Set())).toBe("10.96.1.0");
    expect(allocator.next(new Set(["10.96.1.1", "10.96.1.2"]))).toBe("10.96.1.3");
  });

  it("begins anew when it has come to the end", () => {
    const allocator = new ClusterIpAllocator();
    const all = Array.from({ length: 65_534 - 256 + 1 }, () => allocator.next(new Set()));
    expect(all.at(-1)).toBe("10.96.255.254");
    expect(allocator.next(new Set())).toBe("10.96.1.0");
    expect(allocator.next(new Set(all.filter((address) => address !== undefined)))).toBeUndefined();
  });

  it.each([
    [{ ports: [{ port: 80 }] }, true],
    [{ clusterIP: "", ports: [{ port: 80 }] }, true],
    [{ clusterIP: "None", ports: [{ port: 80 }] }, false],
    [{ clusterIP: "10.96.0.7", ports: [{ port: 80 }] }, false],
    [{ type: "ExternalName", externalName: "example.com" } as const, false],
  ])("is for services that have no address yet: %o", (spec, lacks) => {
    expect(lacksClusterIp(service("shop/cart", spec))).toBe(lacks);
  });
});

it("names a pod's cable on the node within the kernel's 15 characters", () => {
  expect(hostDevice("b7f6c2be-6a2e-4a0b-8f0e-0c1f5c1d2e3f")).toMatch(/^veth[0-9a-f]{10}$/);
  expect(hostDevice("a")).not.toBe(hostDevice("b"));
});

it("writes resolv.conf as kubelets do", () => {
  expect(resolvConf("shop")).toBe(
    "search shop.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
  );
  expect(resolvConf(undefined)).toContain("search svc.cluster.local cluster.local\n");
});
