// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { groupHosts, type HostSetOptions } from "../../src/cluster/host-set.ts";
import { Host, type HostConfig } from "../../src/cluster/host.ts";

const BASE: HostConfig = {
  address: "10.0.0.1",
  port: 80,
  hostname: "",
  weight: 1,
  priority: 0,
  health: "healthy",
  locality: "a",
  localityWeight: 1,
};
const OPTIONS: HostSetOptions = { panicThreshold: 50, overprovisioning: 140, isLocalityWeighted: false };

function host(more: Partial<HostConfig>): Host {
  return new Host({ ...BASE, ...more }, () => {
    throw new TypeError("nobody connects here");
  });
}

const some = (count: number, more: Partial<HostConfig>): Host[] => Array.from({ length: count }, () => host(more));

function shares(hosts: readonly Host[], options: Partial<HostSetOptions> = {}): object[] {
  return groupHosts(hosts, { ...OPTIONS, ...options }).map((group) => ({
    priority: group.hosts[0]?.config.priority,
    hosts: group.hosts.length,
    share: Math.round(group.share * 100),
    isPanic: group.isPanic,
  }));
}

describe("the share of hosts", () => {
  test("all goes to the first priority while enough of it is healthy", () => {
    const hosts = [...some(3, {}), ...some(1, { health: "unhealthy" }), ...some(2, { priority: 1 })];
    expect(shares(hosts)).toEqual([{ priority: 0, hosts: 3, share: 100, isPanic: false }]);
  });

  // Envoy's documentation of priority levels: 50 % of the first healthy make 70 % of the load.
  test("a priority overflows to the next", () => {
    const hosts = [...some(2, {}), ...some(2, { health: "unhealthy" }), ...some(4, { priority: 1 })];
    expect(shares(hosts)).toEqual([
      { priority: 0, hosts: 2, share: 70, isPanic: false },
      { priority: 1, hosts: 4, share: 30, isPanic: false },
    ]);
  });

  test("degraded hosts come after healthy ones of all priorities", () => {
    const hosts = [
      ...some(1, { health: "degraded" }),
      ...some(1, { health: "unhealthy" }),
      ...some(1, { priority: 1, health: "healthy" }),
    ];
    expect(shares(hosts)).toEqual([{ priority: 1, hosts: 1, share: 100, isPanic: false }]);
  });

  test("nothing healthy: every host of the first priority, unless panic is off", () => {
    const hosts = some(2, { health: "unhealthy" });
    expect(shares(hosts)).toEqual([{ priority: 0, hosts: 2, share: 100, isPanic: true }]);
    expect(shares(hosts, { panicThreshold: 0 })).toEqual([]);
  });

  test("too few healthy hosts for everything: health is ignored", () => {
    const hosts = [...some(1, {}), ...some(9, { health: "unhealthy" })];
    expect(shares(hosts)).toEqual([{ priority: 0, hosts: 10, share: 100, isPanic: true }]);
    expect(shares(hosts, { panicThreshold: 0 })).toEqual([{ priority: 0, hosts: 1, share: 100, isPanic: false }]);
  });

  test("localities share by weight, less once they are not healthy", () => {
    const hosts = [
      ...some(2, { locality: "a", localityWeight: 1 }),
      ...some(1, { locality: "b", localityWeight: 1 }),
      ...some(1, { locality: "b", localityWeight: 1, health: "unhealthy" }),
    ];
    const [a, b] = groupHosts(hosts, { ...OPTIONS, isLocalityWeighted: true });
    expect(a?.share).toBeCloseTo(1 / 1.7);
    expect(b?.share).toBeCloseTo(0.7 / 1.7);
  });

  test("without hosts there are no groups", () => expect(groupHosts([], OPTIONS)).toEqual([]));
});
