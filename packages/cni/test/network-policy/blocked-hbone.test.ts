// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { findBlockedHbone, type NetworkPolicy } from "../../src/network-policy/blocked-hbone.ts";

const CART = { metadata: { name: "cart-1", namespace: "shop", labels: { app: "cart" } } };
const OTHER = { metadata: { name: "other", namespace: "elsewhere", labels: { app: "cart" } } };
const policy = (spec: NetworkPolicy["spec"], name = "p"): NetworkPolicy => ({
  metadata: { name, namespace: "shop" },
  spec: { podSelector: { matchLabels: { app: "cart" } }, ...spec },
});
const FROM = [{ podSelector: {} }];
const HBONE = { protocol: "TCP", port: 15008 };

test.each<[string, NetworkPolicy["spec"], readonly string[]]>([
  ["lists other ports", { ingress: [{ from: FROM, ports: [{ port: 8080 }] }] }, ["/spec/ingress/0/ports/-"]],
  [
    "lists other ports in some rules",
    { ingress: [{ from: FROM }, { from: FROM, ports: [{ port: "http" }] }] },
    ["/spec/ingress/1/ports/-"],
  ],
  ["lists the port", { ingress: [{ from: FROM, ports: [{ port: 80 }, { protocol: "TCP", port: 15008 }] }] }, []],
  ["has it in a range", { ingress: [{ from: FROM, ports: [{ port: 15000, endPort: 15010 }] }] }, []],
  [
    "has a range below it",
    { ingress: [{ from: FROM, ports: [{ port: 80, endPort: 90 }] }] },
    ["/spec/ingress/0/ports/-"],
  ],
  ["allows all of TCP", { ingress: [{ from: FROM, ports: [{ protocol: "TCP" }] }] }, []],
  ["lists no ports", { ingress: [{ from: FROM }] }, []],
  ["is about UDP", { ingress: [{ from: FROM, ports: [{ protocol: "UDP", port: 53 }] }] }, []],
  ["denies everything", { ingress: [] }, []],
  ["selects other pods", { podSelector: { matchLabels: { app: "x" } }, ingress: [{ ports: [{ port: 80 }] }] }, []],
  [
    "limits what goes out",
    { policyTypes: ["Egress"], egress: [{ ports: [{ port: 443 }] }] },
    ["/spec/egress/0/ports/-"],
  ],
  ["has rules of a type it does not name", { policyTypes: ["Egress"], ingress: [{ ports: [{ port: 80 }] }] }, []],
  ["is open by another rule", { ingress: [{ ports: [{ port: 80 }] }, { ports: [{ port: 15008 }] }] }, []],
])("a policy that %s", (_case, spec, paths) => {
  const found = findBlockedHbone([policy(spec)], [CART, OTHER]);
  expect(found.flatMap(({ patch }) => patch)).toEqual(paths.map((path) => ({ op: "add", path, value: HBONE })));
  expect(found.every(({ namespace, pods }) => namespace === "shop" && pods.join() === "cart-1")).toBe(true);
});

test("policies add up", () => {
  const narrow = policy({ ingress: [{ from: FROM, ports: [{ port: 8080 }] }] });
  const open = policy({ podSelector: {}, ingress: [{ ports: [{ port: 15008 }] }] }, "open");
  expect(findBlockedHbone([narrow, open], [CART])).toEqual([]);
  expect(findBlockedHbone([narrow], [CART])).toHaveLength(1);
});
