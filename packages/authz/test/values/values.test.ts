// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cidrOfBytes, cidrTest, cidrText, ipOfBytes, ipText, parseCidr, parseIp } from "../../src/values/ip.ts";
import { parsePattern, parsePrincipal, parseTrustDomain, patternTest, patternText } from "../../src/values/pattern.ts";
import { parsePort } from "../../src/values/port.ts";
import { parseServiceAccount } from "../../src/values/service-account.ts";

describe("patterns", () => {
  test.each([
    ["*", "a", true],
    ["*", "", false],
    ["a", "a", true],
    ["a", "ab", false],
    ["a*", "ab", true],
    ["a*", "a", true],
    ["a*", "ba", false],
    ["*a", "ba", true],
    ["*a", "ab", false],
    ["**", "x*", true],
    ["*a*", "xa*", true],
    ["a.c", "abc", false],
    ["(a+)+", "aaaa", false],
  ])("%j on %j is %j", (text, value, expected) => {
    const pattern = parsePattern(text);
    expect(pattern.ok && patternTest([pattern.value])(value)).toBe(expected);
  });

  test("are what their notation says, for any texts", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "/"), maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(
          text.filter((t) => t !== ""),
          { minLength: 1, maxLength: 4 },
        ),
        text,
        (texts, value) => {
          const patterns = texts.map((entry) => {
            const pattern = parsePattern(entry);
            if (!pattern.ok) throw new Error(pattern.message);
            expect(patternText(pattern.value)).toBe(entry);
            return pattern.value;
          });
          const expected = texts.some((entry) => {
            if (entry === "*") return value.length > 0;
            if (entry.at(0) === "*") return value.slice(-(entry.length - 1)) === entry.slice(1);
            if (entry.at(-1) === "*") return value.slice(0, entry.length - 1) === entry.slice(0, -1);
            return value === entry;
          });
          expect(patternTest(patterns)(value)).toBe(expected);
        },
      ),
    );
  });

  test.each([
    ["spiffe://td/ns/a/sa/b", "td/ns/a/sa/b"],
    ["spiffe://td/*", "td/*"],
    ["*", "*"],
    ["*/sa/b", "*/sa/b"],
  ])("the principal %j is %j", (text, expected) => {
    const pattern = parsePrincipal(text);
    expect(pattern.ok && patternText(pattern.value)).toBe(expected);
  });

  test.each(["", "*spiffe://td/ns/a/sa/b", "http://a", "spiffe://spiffe://a"])("refuses the principal %j", (text) =>
    expect(parsePrincipal(text).ok).toBe(false),
  );

  test.each([
    ["td", "td/*"],
    ["td*", "td*"],
    ["*", "*"],
  ])("the trust domain %j is the principal %j", (text, expected) => {
    const pattern = parseTrustDomain(text);
    expect(pattern.ok && patternText(pattern.value)).toBe(expected);
  });

  test.each(["", "a/b", "*td", "*t*", "t**"])("refuses the trust domain %j", (text) =>
    expect(parseTrustDomain(text).ok).toBe(false),
  );
});

describe("addresses", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["::1", "::1"],
    ["FD00::0:1", "fd00::1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::ffff:a00:1", "10.0.0.1"],
  ])("%j is %j", (text, expected) => {
    const ip = parseIp(text);
    expect(ip.ok && ipText(ip.value)).toBe(expected);
  });

  test.each(["", "10", "10.0.0", "010.0.0.1", "0x7f.1", "256.0.0.1", "10.0.0.1 ", "fe80::1%eth0", "1::2::3", "host"])(
    "%j is none",
    (text) => expect([parseIp(text).ok, parseCidr(text).ok]).toEqual([false, false]),
  );

  test.each([
    ["10.0.0.1", "10.0.0.1/32"],
    ["fd00::1", "fd00::1/128"],
    ["10.1.2.3/8", "10.1.2.3/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8"],
  ])("the block %j is %j", (text, expected) => {
    const cidr = parseCidr(text);
    expect(cidr.ok && cidrText(cidr.value)).toBe(expected);
  });

  test.each([
    "10.0.0.0/33",
    "10.0.0.0/-1",
    "10.0.0.0/08",
    "10.0.0.0/",
    "/8",
    "::/129",
    "10.0.0.0/8/8",
    "::ffff:10.0.0.0/8",
  ])("the block %j is none", (text) => expect(parseCidr(text).ok).toBe(false));

  test.each([
    [new Uint8Array(0), 0, false],
    [new Uint8Array(5), 0, false],
    [new Uint8Array(4), 33, false],
    [new Uint8Array(16), 129, false],
    [new Uint8Array(4), 0, true],
    [new Uint8Array(16), 128, true],
  ])("bytes %o with length %d are a block: %j", (bytes, length, expected) => {
    expect(cidrOfBytes(bytes, length).ok).toBe(expected);
  });

  test("a mapped block off the wire is one of IPv4, a shorter one is not", () => {
    const mapped = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 0]);
    const read = (length: number): string => {
      const cidr = cidrOfBytes(mapped, length);
      return cidr.ok ? cidrText(cidr.value) : cidr.message;
    };
    expect([read(104), read(95)]).toEqual(["10.0.0.0/8", "::ffff:a00:0/95"]);
  });

  test("membership is equality of the first bits, within one family", () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    const bits = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
    fc.assert(
      fc.property(address, fc.nat(128), address, fc.nat(128), (block, length, other, flipped) => {
        fc.pre(length <= block.length * 8);
        // Half of the cases compare with a neighbour of the block that differs in one bit.
        const near = Uint8Array.from(block);
        if (flipped < near.length * 8) near[flipped >> 3] = (near[flipped >> 3] ?? 0) ^ (0x80 >> (flipped & 7));
        const test = cidrTest([{ ip: ipOfBytes(block), length }]);
        for (const ip of [near, other]) {
          const expected = ip.length === block.length && bits(ip).slice(0, length) === bits(block).slice(0, length);
          expect(test(ipOfBytes(ip))).toBe(expected);
        }
      }),
    );
  });

  test("texts of all kinds are read or refused, never thrown at", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (text) => {
        for (const result of [parseIp(text), parseCidr(text), parseCidr(`${text}/64`)]) {
          expect(typeof result.ok).toBe("boolean");
        }
      }),
    );
  });
});

test.each([
  ["80", true],
  ["65535", true],
  ["0", false],
  ["65536", false],
  ["080", false],
  ["+80", false],
  ["8e1", false],
  ["", false],
  ["http", false],
])("the port %j: %j", (text, expected) => expect(parsePort(text).ok).toBe(expected));

test.each([
  ["a", { namespace: "home", name: "a" }],
  ["b/a", { namespace: "b", name: "a" }],
])("the service account %j is %j", (text, value) =>
  expect(parseServiceAccount(text, "home")).toEqual({ ok: true, value }),
);

test.each(["", "/a", "a/", "a/b/c", "*", "a/*", "a*"])("refuses the service account %j", (text) =>
  expect(parseServiceAccount(text, "home").ok).toBe(false),
);
