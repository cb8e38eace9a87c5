// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  canonicalIp,
  formatAuthority,
  ipFromBytes,
  ipToBytes,
  isLoopback,
  maskIp,
  parseAuthority,
} from "../src/net/address.ts";
import { holds } from "./fixtures.ts";

describe("canonicalIp", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::FFFF:a00:1", "10.0.0.1"],
    ["FD00:0:0:0:0:0:0:1", "fd00::1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::1", "::1"],
  ])("%s is %s", (text, ip) => expect(canonicalIp(text)).toBe(ip));

  test.each(["", "10.0.0", "10.0.0.256", "010.0.0.1", "0x7f000001", "1", "fd00::1::2", "host"])("%j is none", (text) =>
    expect(canonicalIp(text)).toBeUndefined(),
  );

  it("and bytes are two forms of the same", () => {
    const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
    const isStable = (given: Uint8Array): boolean => {
      const ip = ipFromBytes(given) as string;
      return canonicalIp(ip) === ip && ipFromBytes(ipToBytes(ip)) === ip;
    };
    expect(holds(fc.property(fc.oneof(bytes(4), bytes(16)), isStable))).toBe(true);
  });
});

test.each([
  [0, undefined],
  [5, undefined],
  [17, undefined],
])("%i bytes are no address", (length, ip) => expect(ipFromBytes(new Uint8Array(length))).toBe(ip));

test.each([
  ["127.0.0.1", true],
  ["127.9.9.9", true],
  ["::1", true],
  ["10.0.0.1", false],
  ["fd00::1", false],
])("%s is loopback: %s", (ip, is) => expect(isLoopback(ip)).toBe(is));

test.each([
  ["10.1.2.3", 16, "10.1.0.0"],
  ["10.1.2.255", 25, "10.1.2.128"],
  ["10.1.2.3", 0, "0.0.0.0"],
  ["10.1.2.3", 32, "10.1.2.3"],
  ["fd00:1:2:3::4", 48, "fd00:1:2::"],
  ["fd00::ff", 121, "fd00::80"],
])("%s/%i starts at %s", (ip, length, start) => expect(maskIp(ip, length)).toBe(start));

describe("parseAuthority", () => {
  test.each([
    ["10.0.0.1:80", { kind: "address", address: { ip: "10.0.0.1", port: 80 } }],
    ["[fd00::1]:8080", { kind: "address", address: { ip: "fd00::1", port: 8080 } }],
    ["[::ffff:10.0.0.1]:80", { kind: "address", address: { ip: "10.0.0.1", port: 80 } }],
    ["web.default.svc:80", { kind: "hostname", hostname: "web.default.svc", port: 80 }],
    ["web:0", { kind: "hostname", hostname: "web", port: 0 }],
  ])("%s", (text, authority) => expect(parseAuthority(text)).toEqual(authority));

  test.each([
    "",
    ":",
    ":80",
    "web",
    "web:",
    "web:70000",
    "web:-1",
    "web:8x",
    "web :80",
    "fd00::1:80",
    "[fd00::1]",
    "[fd00::1%eth0]:80",
    "[10.0.0.1]:80",
    "a/b:80",
    'we"b:80',
    "-web:80",
    `${"a".repeat(254)}:80`,
  ])("refuses %j", (text) => expect(parseAuthority(text)).toBeUndefined());

  it("never throws, and what it accepts it writes again", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.webAuthority(),
      fc.ipV6().map((ip) => `[${ip}]:80`),
    );
    const isStable = (text: string): boolean => {
      const authority = parseAuthority(text);
      return authority === undefined || isDeepStrictEqual(parseAuthority(formatAuthority(authority)), authority);
    };
    expect(holds(fc.property(texts, isStable))).toBe(true);
  });
});
