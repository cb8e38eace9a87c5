// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { Host } from "../../src/cluster/host.ts";
import { createBalancer } from "../../src/cluster/load-balancer.ts";
import { randomFrom } from "@ambientmesh/testkit";

function host(name: string, weight: number): Host {
  const config = {
    address: name,
    port: 1,
    hostname: "",
    weight,
    priority: 0,
    health: "healthy",
    locality: "",
    localityWeight: 0,
  } as const;
  return new Host(config, () => {
    throw new TypeError("nobody connects here");
  });
}

const zero = (): number => 0;

describe("round robin", () => {
  test("takes turns by weight without gaps", () => {
    const hosts = [host("a", 3), host("b", 1)];
    const pick = createBalancer("round-robin", 1);
    const picked = Array.from({ length: 8 }, () => pick(hosts, zero).config.address).join("");
    expect(picked.match(/a/g)).toHaveLength(6);
    expect(picked).not.toMatch(/bb|aaaa/);
  });

  test("goes on when hosts come and go", () => {
    const [a, b, c] = [host("a", 1), host("b", 1), host("c", 1)];
    const pick = createBalancer("round-robin", 1);
    pick([a, b], zero);
    const picked = new Set(Array.from({ length: 6 }, () => pick([b, c], zero).config.address));
    expect(picked).toEqual(new Set(["b", "c"]));
  });
});

test("least request prefers the less busy of two", () => {
  const [busy, idle] = [host("busy", 1), host("idle", 1)];
  busy.active = 5;
  const pick = createBalancer("least-request", 2);
  const numbers = [0.1, 0.9];
  expect(pick([busy, idle], () => numbers.shift() ?? 0)).toBe(idle);
});

test("random follows the weights", () => {
  const hosts = [host("a", 9), host("b", 1)];
  const pick = createBalancer("random", 1);
  const random = randomFrom(1);
  const count = Array.from({ length: 2000 }, () => pick(hosts, () => random(1_000_000) / 1_000_000)).filter(
    ({ config }) => config.address === "b",
  ).length;
  expect(count).toBeGreaterThan(120);
  expect(count).toBeLessThan(280);
});
