// SPDX-License-Identifier: Apache-2.0
import type { ServiceEntry } from "@ambientmesh/api/istio";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { AddressPool, type GivenAddress } from "../../src/writers/address-pool.ts";

interface Wish {
  readonly hosts?: readonly string[];
  readonly resolution?: ServiceEntry["spec"]["resolution"];
  readonly addresses?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly given?: readonly GivenAddress[];
  readonly age?: string;
}

function entry(
  name: string,
  { hosts = ["a.com"], resolution = "DNS", addresses, labels, given, age }: Wish = {},
): ServiceEntry {
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "ServiceEntry",
    metadata: { name, namespace: "shop", ...(labels && { labels }), creationTimestamp: age ?? "2026-01-01T00:00:00Z" },
    spec: { hosts, resolution, ...(addresses && { addresses }) },
    ...(given && { status: { addresses: given } }),
  };
}

const RANGES = { ipv4: "240.240.0.0/16", ipv6: "2001:2::/48" };
const values = (given: readonly GivenAddress[] | undefined): string[] | undefined => given?.map(({ value }) => value);

describe("an entry gets", () => {
  test.each<readonly [string, Wish, readonly GivenAddress[] | undefined]>([
    [
      "an address of each family for each host",
      { hosts: ["a.com", "b.com", "a.com"] },
      [
        { value: "240.240.0.1", host: "a.com" },
        { value: "2001:2::1", host: "a.com" },
        { value: "240.240.0.2", host: "b.com" },
        { value: "2001:2::2", host: "b.com" },
      ],
    ],
    ["none where it opts out", { labels: { "networking.istio.io/enable-autoallocate-ip": "false" } }, undefined],
    ["none without resolution", { resolution: "NONE" }, undefined],
    ["none beside its own", { addresses: ["10.0.0.1"] }, undefined],
    ["none for a wildcard", { hosts: ["*.a.com"] }, undefined],
    [
      "one for a wildcard that is resolved when asked for",
      { hosts: ["*.a.com"], resolution: "DYNAMIC_DNS" },
      [
        { value: "240.240.0.1", host: "*.a.com" },
        { value: "2001:2::1", host: "*.a.com" },
      ],
    ],
    [
      "nothing more than it has",
      {
        given: [
          { value: "240.240.9.9", host: "a.com" },
          { value: "2001:2::9", host: "a.com" },
        ],
      },
      undefined,
    ],
    [
      "the family that is missing",
      { given: [{ value: "240.240.9.9", host: "a.com" }] },
      [
        { value: "240.240.9.9", host: "a.com" },
        { value: "2001:2::1", host: "a.com" },
      ],
    ],
    [
      "others for addresses outside of the ranges",
      {
        given: [
          { value: "10.0.0.1", host: "a.com" },
          { value: "2001:2::9", host: "a.com" },
        ],
      },
      [
        { value: "240.240.0.1", host: "a.com" },
        { value: "2001:2::9", host: "a.com" },
      ],
    ],
    [
      "its addresses taken away when it isn't eligible any more",
      { resolution: "NONE", given: [{ value: "240.240.0.1", host: "a.com" }] },
      [],
    ],
    [
      "those of a host that it has lost taken away",
      { hosts: ["b.com"], given: [{ value: "240.240.0.1", host: "a.com" }] },
      [
        { value: "240.240.0.2", host: "b.com" },
        { value: "2001:2::1", host: "b.com" },
      ],
    ],
  ])("%s", (_what, wish, expected) => {
    const pool = new AddressPool(RANGES);
    pool.follow("shop/e", entry("e", wish));
    expect(pool.desired("shop/e")).toEqual(expected);
  });
});

describe("conflicts", () => {
  const both = [
    { value: "240.240.0.1", host: "a.com" },
    { value: "2001:2::1", host: "a.com" },
  ];

  it("the younger entry gets another address", () => {
    const pool = new AddressPool(RANGES);
    pool.follow("shop/old", entry("old", { given: both, age: "2025-01-01T00:00:00Z" }));
    expect(pool.follow("shop/new", entry("new", { given: both }))).toEqual(["shop/old", "shop/old"]);
    expect(pool.desired("shop/old")).toBeUndefined();
    expect(values(pool.desired("shop/new"))).toEqual(["240.240.0.2", "2001:2::2"]);
  });

  it("an address that a user writes is the user's", () => {
    const pool = new AddressPool(RANGES);
    pool.follow("shop/given", entry("given", { given: both }));
    expect(pool.follow("shop/user", entry("user", { addresses: ["240.240.0.1"] }))).toEqual(["shop/given"]);
    expect(values(pool.desired("shop/given"))).toEqual(["240.240.0.2", "2001:2::1"]);
  });

  it("an address that was given up waits for its turn", () => {
    const pool = new AddressPool({ ipv4: "10.0.0.0/30", ipv6: "2001:2::/48" });
    const first = (name: string): string | undefined => values(pool.desired(name))?.[0];
    pool.follow("a", entry("a"));
    expect(first("a")).toBe("10.0.0.1");
    pool.follow("a", undefined);
    const given = ["b", "c", "d"].map((name) => {
      pool.follow(name, entry(name));
      return first(name);
    });
    expect(given).toEqual(["10.0.0.2", "10.0.0.3", "10.0.0.1"]);
    expect(first("b")).toBe("10.0.0.2");
  });

  it("a range that is used up gives nothing", () => {
    const pool = new AddressPool({ ipv4: "10.0.0.1/32", ipv6: "2001:2::/128" });
    pool.follow("a", entry("a"));
    expect(pool.desired("a")).toBeUndefined();
  });
});

it("never gives an address twice", () => {
  const key = fc.constantFrom("a", "b", "c", "d");
  const wish = fc.record({
    hosts: fc.array(fc.constantFrom("x.com", "y.com", "z.com"), { minLength: 1, maxLength: 3 }),
    addresses: fc.constantFrom(undefined, undefined, ["10.0.0.3"]),
    given: fc.constantFrom(
      [],
      [
        { value: "10.0.0.2", host: "x.com" },
        { value: "10.0.0.3", host: "y.com" },
      ],
    ),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(key, fc.option(wish))), (steps) => {
      const pool = new AddressPool({ ipv4: "10.0.0.0/28", ipv6: "2001:2::/48" });
      const entries = new Map<string, ServiceEntry>();
      const queue = new Set<string>();
      const follow = (name: string, object: ServiceEntry | undefined): void => {
        for (const each of [name, ...pool.follow(name, object)]) queue.add(each);
        if (object) entries.set(name, object);
        else entries.delete(name);
      };
      for (const [name, change] of steps) {
        follow(name, change ? entry(name, change as Wish) : undefined);
        for (const each of queue) {
          queue.delete(each);
          const addresses = pool.desired(each);
          const object = entries.get(each);
          if (addresses && object) follow(each, { ...object, status: { addresses } });
        }
      }
      const given = [...entries.values()].flatMap(({ status }) => values(status?.addresses as GivenAddress[]) ?? []);
      expect(new Set(given).size).toBe(given.length);
    }),
  );
});
