// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it, test } from "vitest";
import { NetworkPlan } from "../../src/links/network-plan.ts";
import type { NetnsRef } from "../../src/netns/netns.ts";

// Nothing is run here: a plan checks its values when they are given.
const netns: NetnsRef = { fd: 1, dev: 0n, ino: 0n, path: "/proc/self/ns/net", id: "net:[0]" };
const plan = (): NetworkPlan => new NetworkPlan();

describe("NetworkPlan", () => {
  test.each(["", ".", "..", "a b", "a/b", "a:b", "sixteen-letters-", "x\nlink del eth0"])(
    "refuses the interface name %j",
    (name) => {
      const refused = expect.objectContaining({ code: "LINUX_ARGUMENT_INVALID" });
      expect(() => plan().bridge({ netns, name })).toThrow(refused);
      expect(() => plan().veth({ netns, name }, { netns, name: "b" })).toThrow(refused);
      expect(() => plan().veth({ netns, name: "a" }, { netns, name })).toThrow(refused);
      expect(() => plan().veth({ netns, name: "a", bridge: name }, { netns, name: "b" })).toThrow(refused);
      expect(() => plan().route(netns, { to: "::/0", device: name })).toThrow(refused);
    },
  );

  test.each(["10.0.0.1/33", "fd00::/129", "10.0.0.1/", "10.0.0.1/8/8", "somewhere", "10.0.0.1/8 dev x"])(
    "refuses the prefix %j",
    (text) => {
      const refused = expect.objectContaining({ code: "LINUX_ADDRESS_INVALID" });
      expect(() => plan().route(netns, { to: text, device: "lo" })).toThrow(refused);
      expect(() => plan().bridge({ netns, name: "b", addresses: [text] })).toThrow(refused);
    },
  );

  test.each([-1, 1.5, Number.NaN])("refuses the number %d", (table) => {
    const refused = expect.objectContaining({ code: "LINUX_ARGUMENT_INVALID" });
    expect(() => plan().route(netns, { to: "::/0", device: "lo", table })).toThrow(refused);
    expect(() => plan().rule(netns, { priority: 1, mark: 1, mask: 1, table, version: 4 })).toThrow(refused);
  });

  it("does nothing when it is empty", async () => {
    await expect(plan().apply()).resolves.toBeUndefined();
  });
});
