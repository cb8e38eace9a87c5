// SPDX-License-Identifier: Apache-2.0
import { createMetrics } from "@ambientmesh/telemetry";
import { expect, it, test } from "vitest";
import { HostResolver } from "../../src/proxy/host-resolver.ts";
import { workload } from "../fixtures.ts";

const source = workload("client", []);
const named = (preferred: string) => ({ kind: "hostname", hostname: "web.example", port: 80, preferred }) as const;

function resolver(four: string[] | Error, six: string[] | Error, random = 0) {
  const metrics = createMetrics();
  const answer = (result: string[] | Error) => async () => {
    if (result instanceof Error) throw result;
    return result;
  };
  const lookup = { resolve4: answer(four), resolve6: answer(six) };
  return { metrics, resolver: new HostResolver({ lookup, metrics, random: () => random }) };
}

const NONE = new Error("ENODATA");
test.each([
  ["the family of the call", ["10.0.0.1"], ["fd00::1"], "10.9.9.9", 0, "10.0.0.1"],
  ["the family of the call", ["10.0.0.1"], ["fd00::1"], "fd00::9", 0, "fd00::1"],
  ["the other where there is none", NONE, ["fd00::1"], "10.9.9.9", 0, "fd00::1"],
  ["the other where there is none", ["10.0.0.1"], [], "fd00::9", 0, "10.0.0.1"],
  ["any of several", ["10.0.0.1", "10.0.0.2"], NONE, "10.9.9.9", 0.6, "10.0.0.2"],
  ["its canonical form", NONE, ["FD00:0::1"], "fd00::9", 0, "fd00::1"],
] as const)("takes %s", async (...[, four, six, preferred, random, expected]) => {
  const list = (result: readonly string[] | Error) => (result instanceof Error ? result : [...result]);
  expect(await resolver(list(four), list(six), random).resolver.addressOf(named(preferred), source)).toBe(expected);
});

it("says so where a name has no address", async () => {
  const looking = resolver(NONE, ["nonsense"]).resolver.addressOf(named("10.9.9.9"), source);
  await expect(looking).rejects.toMatchObject({
    code: "ZTUNNEL_NAME_UNRESOLVED",
    message: "no resolved addresses: web.example",
  });
});

it("counts look-ups, and looks nothing up for addresses", async () => {
  const { metrics, resolver: hosts } = resolver(["10.0.0.1"], NONE);
  expect(await hosts.addressOf({ kind: "ip", ip: "10.0.0.9", port: 1 }, source)).toBe("10.0.0.9");
  await hosts.addressOf(named("10.9.9.9"), source);
  await hosts.addressOf(named("10.9.9.9"), source);
  const text = await metrics.render("prometheus");
  expect(text).toMatch(/^istio_on_demand_dns_total\{source_workload="client",.*hostname="web.example"\} 2$/m);
});
