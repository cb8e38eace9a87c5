// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from "vitest";
import { clusterNames, labelsInZone } from "../../src/local/dns/records.ts";
import { pod, podStatusOf, service, slice, storeOf } from "../support/objects.ts";

const lookup = clusterNames({
  services: storeOf([
    service("shop/cart", {
      clusterIP: "10.96.1.0",
      ports: [
        { name: "http", port: 80 },
        { name: "dns", port: 53, protocol: "UDP" },
      ],
    }),
    service("shop/db", { clusterIP: "None", ports: [{ name: "sql", port: 5432, targetPort: 15_432 }] }),
    service("shop/outside", { type: "ExternalName", externalName: "example.com" }),
    service("shop/new", { ports: [{ port: 80 }] }),
  ]),
  endpointSlices: storeOf([
    slice("shop/cart", ["10.244.1.2"]),
    slice("shop/db", ["10.244.2.3", "10.244.1.3"], {
      endpoints: [
        { addresses: ["10.244.2.3"], conditions: { ready: true } },
        { addresses: ["10.244.1.3"], conditions: { ready: true } },
        { addresses: ["10.244.1.4"], conditions: { ready: false } },
      ],
    }),
  ]),
  pods: storeOf([pod("shop/cart-1", { status: podStatusOf("10.244.1.2") })]),
});
const addresses = (...found: string[]): object => ({ kind: "addresses", addresses: found });

describe("names of the cluster", () => {
  it.each([
    ["cart.shop.svc.cluster.local", addresses("10.96.1.0")],
    ["CART.Shop.svc.cluster.LOCAL", addresses("10.96.1.0")],
    ["new.shop.svc.cluster.local", addresses()],
    ["db.shop.svc.cluster.local", addresses("10.244.1.3", "10.244.2.3")],
    ["10-244-1-3.db.shop.svc.cluster.local", addresses("10.244.1.3")],
    ["outside.shop.svc.cluster.local", { kind: "alias", target: "example.com" }],
    ["10-244-1-2.shop.pod.cluster.local", addresses("10.244.1.2")],
    [
      "_http._tcp.cart.shop.svc.cluster.local",
      { kind: "servers", servers: [{ target: "cart.shop.svc.cluster.local", port: 80 }] },
    ],
    [
      "_sql._tcp.db.shop.svc.cluster.local",
      {
        kind: "servers",
        servers: [
          { target: "10-244-1-3.db.shop.svc.cluster.local", port: 15_432 },
          { target: "10-244-2-3.db.shop.svc.cluster.local", port: 15_432 },
        ],
      },
    ],
  ])("%s is there", (name, content) => expect(lookup(name)).toEqual(content));

  it.each([
    "cluster.local",
    "svc.cluster.local",
    "shop.svc.cluster.local",
    "shop.pod.cluster.local",
    "_udp.cart.shop.svc.cluster.local",
  ])("%s has names below it", (name) =>
    expect(lookup(name)).toEqual({ kind: name.startsWith("shop.pod") ? "unknown" : "empty" }),
  );

  it.each([
    "nosuch.shop.svc.cluster.local",
    "cart.street.svc.cluster.local",
    "street.svc.cluster.local",
    "a.cart.shop.svc.cluster.local",
    "a.b.c.cart.shop.svc.cluster.local",
    "10-244-1-4.db.shop.svc.cluster.local",
    "10-244-9-9.shop.pod.cluster.local",
    "a.10-244-1-2.shop.pod.cluster.local",
    "_https._tcp.cart.shop.svc.cluster.local",
    "_http._udp.cart.shop.svc.cluster.local",
    "_sctp.cart.shop.svc.cluster.local",
    "cart.shop.node.cluster.local",
    "a.outside.shop.svc.cluster.local",
  ])("%s is not there", (name) => expect(lookup(name)).toEqual({ kind: "unknown" }));
});

it.each([
  ["example.com", undefined],
  ["local", undefined],
  ["notcluster.local", undefined],
  ["cluster.local", []],
  ["a.b.cluster.local", ["b", "a"]],
])("%s is in the cluster's zone as %o", (name, labels) => expect(labelsInZone(name)).toEqual(labels));
