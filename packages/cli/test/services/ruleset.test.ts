// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { servicesRuleset } from "../../src/local/services/ruleset.ts";
import { virtualPorts } from "../../src/local/services/virtual-ports.ts";
import { service, slice } from "../support/objects.ts";

const http = { name: "http", port: 80 };

describe("virtualPorts", () => {
  it("joins services with the ready endpoints of all their slices", () => {
    const second = {
      ...slice("shop/cart", ["10.244.1.2"]),
      metadata: { ...slice("shop/cart", []).metadata, name: "cart-2" },
    };
    const ports = virtualPorts(
      [service("shop/cart", { clusterIP: "10.96.1.0", ports: [http] })],
      [
        slice("shop/cart", ["10.244.2.2", "10.244.1.2"]),
        second,
        slice("shop/other", ["10.244.9.9"]),
        slice("shop/cart", [], {
          endpoints: [{ addresses: ["10.244.1.7"], conditions: { ready: false, serving: true, terminating: true } }],
        }),
      ],
    );
    expect(ports).toEqual([
      {
        name: "shop/cart:http",
        address: "10.96.1.0",
        protocol: "tcp",
        port: 80,
        backends: [
          { address: "10.244.1.2", port: 8080 },
          { address: "10.244.2.2", port: 8080 },
        ],
      },
    ]);
  });

  it("tells ports of the same number apart by protocol, and matches slices by the ports' names", () => {
    const dns = service("kube-system/dns", {
      clusterIP: "10.96.0.10",
      ports: [
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "dns-tcp", port: 53 },
        { name: "sctp", port: 54, protocol: "SCTP" },
      ],
    });
    const ports = [
      { name: "dns", port: 5353, protocol: "UDP" },
      { name: "dns-tcp", port: 5354, protocol: "TCP" },
    ];
    const found = virtualPorts([dns], [slice("kube-system/dns", ["10.99.0.1"], { ports })]);
    expect(found.map(({ protocol, backends }) => [protocol, backends[0]?.port])).toEqual([
      ["tcp", 5354],
      ["udp", 5353],
    ]);
  });

  it.each([
    { clusterIP: "None", ports: [http] },
    { ports: [http] },
    { type: "ExternalName", externalName: "example.com" } as const,
  ])("leaves out services without an address of their own: %o", (spec) => {
    expect(virtualPorts([service("shop/cart", spec)], [])).toEqual([]);
  });
});

describe("servicesRuleset", () => {
  it("is one table that replaces the one before", () => {
    const services = [
      service("shop/cart", { clusterIP: "10.96.1.0", ports: [http] }),
      service("shop/empty", { clusterIP: "10.96.1.1", ports: [http] }),
    ];
    expect(servicesRuleset(virtualPorts(services, [slice("shop/cart", ["10.244.1.2", "10.244.2.2"])])))
      .toMatchInlineSnapshot(`
        "table inet ambient-local {}
        delete table inet ambient-local
        table inet ambient-local {
          chain backend-10-244-1-2-8080 {
            meta l4proto tcp dnat ip to 10.244.1.2:8080
            meta l4proto udp dnat ip to 10.244.1.2:8080
          }
          chain backend-10-244-2-2-8080 {
            meta l4proto tcp dnat ip to 10.244.2.2:8080
            meta l4proto udp dnat ip to 10.244.2.2:8080
          }
          chain port-10-96-1-0-tcp-80 {
            numgen random mod 2 vmap { 0 : goto backend-10-244-1-2-8080, 1 : goto backend-10-244-2-2-8080 } comment "shop/cart:http"
          }
          chain services {
            ip daddr . meta l4proto . th dport vmap { 10.96.1.0 . tcp . 80 : goto port-10-96-1-0-tcp-80 }
          }
          chain prerouting {
            type nat hook prerouting priority dstnat
            jump services
          }
          chain output {
            type nat hook output priority -100
            jump services
          }
          chain postrouting {
            type nat hook postrouting priority srcnat
            ip saddr . ip daddr { 10.244.1.2 . 10.244.1.2, 10.244.2.2 . 10.244.2.2 } masquerade
          }
          chain refuse {
            ip daddr 10.96.0.0/16 reject
          }
          chain refuse-forwarded {
            type filter hook forward priority filter
            jump refuse
          }
          chain refuse-own {
            type filter hook output priority filter
            jump refuse
          }
        }
        "
      `);
  });

  it("refuses everything while there are no endpoints", () => {
    const ruleset = servicesRuleset([]);
    expect(ruleset).toContain("ip daddr 10.96.0.0/16 reject");
    expect(ruleset).not.toContain("vmap");
    expect(ruleset).not.toContain("masquerade");
  });
});
