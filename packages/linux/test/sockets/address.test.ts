// SPDX-License-Identifier: Apache-2.0
import { Socket } from "node:net";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { canonicalAddress, decodeSockaddr, encodeSockaddr, formatEndpoint } from "../../src/sockets/address.ts";
import { descriptorOf } from "../../src/sockets/options.ts";

describe("canonicalAddress", () => {
  test.each([
    ["::ffff:10.0.0.1", "10.0.0.1"],
    ["::FFFF:10.0.0.1", "10.0.0.1"],
    ["10.0.0.1", "10.0.0.1"],
    ["::1", "::1"],
    ["fd00::ffff:1", "fd00::ffff:1"],
  ])("%s is %s", (address, canonical) => expect(canonicalAddress(address)).toBe(canonical));
});

describe("sockaddr", () => {
  it("has the kernel's layout", () => {
    expect(encodeSockaddr({ address: "10.1.2.3", port: 15001 }).toString("hex")).toBe(
      "02003a990a0102030000000000000000",
    );
    expect(encodeSockaddr({ address: "fd00::a:1", port: 15008 }).toString("hex")).toBe(
      "0a003aa000000000fd0000000000000000000000000a000100000000",
    );
  });

  it("comes back as it went in", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.integer({ min: 0, max: 65535 }), (address, port) => {
        expect(decodeSockaddr(encodeSockaddr({ address, port }))).toEqual({ address, port });
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const once = decodeSockaddr(encodeSockaddr({ address, port: 1 }));
        expect(decodeSockaddr(encodeSockaddr(once ?? { address: "", port: 0 }))).toEqual(once);
      }),
    );
  });

  it("writes v4-mapped addresses as IPv4, and knows no other families", () => {
    expect(decodeSockaddr(encodeSockaddr({ address: "::ffff:1.2.3.4", port: 5 }))).toEqual({
      address: "1.2.3.4",
      port: 5,
    });
    expect(decodeSockaddr(Buffer.alloc(28))).toBeUndefined();
  });

  test.each([
    ["localhost", 1, '"localhost" is no IP address'],
    ["", 1, '"" is no IP address'],
    ["fe80::1%eth0", 1, "has a zone"],
    ["1.2.3.4", -1, "-1 is no port"],
    ["1.2.3.4", 65_536, "65536 is no port"],
    ["1.2.3.4", 1.5, "1.5 is no port"],
  ])("refuses %s port %d", (address, port, message) => {
    const encode = (): Buffer => encodeSockaddr({ address, port });
    expect(encode).toThrow(message);
    expect(encode).toThrow(expect.objectContaining({ code: "LINUX_ADDRESS_INVALID" }));
  });

  test.each([
    [{ address: "10.0.0.1", port: 80 }, "10.0.0.1:80"],
    [{ address: "::", port: 80 }, "[::]:80"],
  ])("%o is written %s", (endpoint, text) => expect(formatEndpoint(endpoint)).toBe(text));
});

describe("descriptorOf", () => {
  it("refuses a socket that is not open", () => {
    const refused = expect.objectContaining({ code: "LINUX_ARGUMENT_INVALID" });
    expect(() => descriptorOf(new Socket())).toThrow(refused);
    expect(() => descriptorOf(new Socket().destroy())).toThrow(refused);
  });
});
