// SPDX-License-Identifier: Apache-2.0
import { FakeClock } from "@ambientmesh/testkit";
import { expect, test } from "vitest";
import { Host } from "../../src/cluster/host.ts";
import { OutlierDetector, type OutlierRules } from "../../src/cluster/outlier-detection.ts";

const RULES: OutlierRules = {
  consecutive5xx: 3,
  enforcing5xx: 100,
  consecutiveGatewayFailure: 2,
  enforcingGatewayFailure: 100,
  intervalMs: 1000,
  baseEjectionMs: 5000,
  maxEjectionMs: 8000,
  maxEjectionPercent: 50,
};

function setUp(rules: Partial<OutlierRules> = {}): {
  hosts: Host[];
  clock: FakeClock;
  detector: OutlierDetector;
  changes: () => number;
} {
  const hosts = ["a", "b", "c", "d"].map((address) => {
    const config = {
      address,
      port: 1,
      hostname: "",
      weight: 1,
      priority: 0,
      health: "healthy",
      locality: "",
      localityWeight: 0,
    } as const;
    return new Host(config, () => {
      throw new TypeError("nobody connects here");
    });
  });
  const clock = new FakeClock();
  let changes = 0;
  const deps = { clock, random: () => 0, hosts: () => hosts, onChange: () => changes++ };
  return { hosts, clock, detector: new OutlierDetector({ ...RULES, ...rules }, deps), changes: () => changes };
}

function report(detector: OutlierDetector, host: Host | undefined, statuses: readonly number[]): void {
  if (host) for (const status of statuses) detector.report(host, status);
}

test("a host that fails in a row is left alone for a while, longer the second time", () => {
  const { hosts, clock, detector, changes } = setUp();
  const [a] = hosts;
  report(detector, a, [500, 500, 200, 500, 500]);
  expect(a?.isEjected).toBe(false);
  report(detector, a, [500]);
  expect(a?.isEjected).toBe(true);
  clock.advance(4000);
  expect(a?.isEjected).toBe(true);
  clock.advance(1000);
  expect(a?.isEjected).toBe(false);
  report(detector, a, [500, 500, 500]);
  clock.advance(7000);
  expect(a?.isEjected).toBe(true);
  clock.advance(1000);
  expect(a?.isEjected).toBe(false);
  expect(changes()).toBe(4);
});

test("failures of the gateway count by themselves", () => {
  const { hosts, detector } = setUp({ consecutive5xx: 100 });
  report(detector, hosts[0], [503, 500, 503]);
  expect(hosts[0]?.isEjected).toBe(false);
  report(detector, hosts[0], [504]);
  expect(hosts[0]?.isEjected).toBe(true);
});

test("no more than a share of the hosts is ejected, though always one", () => {
  const { hosts, detector } = setUp({ maxEjectionPercent: 10 });
  for (const host of hosts) report(detector, host, [500, 500, 500]);
  expect(hosts.filter((host) => host.isEjected)).toHaveLength(1);
});

test("rules that are not enforced eject nobody", () => {
  const { hosts, detector } = setUp({ enforcing5xx: 0, enforcingGatewayFailure: 0 });
  report(detector, hosts[0], [503, 503, 503, 503]);
  expect(hosts[0]?.isEjected).toBe(false);
});

test("disposing ends its timer", () => {
  const { clock, detector } = setUp();
  detector[Symbol.dispose]();
  expect(clock.timerCount).toBe(0);
});
