// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { encodeProxyHeader } from "../../src/proxy/proxy-header.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
/** Of the identity "spi". */
const IDENTITY = "d00003737069";
const source = { ip: "10.0.0.1", port: 0x1234 };
const destination = { ip: "10.9.0.1", port: 80 };

test.each([
  ["IPv4", { source, destination }, `211100120a0000010a09000112340050${IDENTITY}`],
  [
    "IPv6",
    { source: { ip: "fd00::1", port: 1 }, destination: { ip: "fd00::2", port: 2 } },
    `2121002afd000000000000000000000000000001fd00000000000000000000000000000200010002${IDENTITY}`,
  ],
  [
    "both, as IPv6",
    { source, destination: { ip: "fd00::2", port: 2 } },
    `2121002a00000000000000000000ffff0a000001fd00000000000000000000000000000212340002${IDENTITY}`,
  ],
  ["a host", { source, destination, hostname: "a.b" }, `211100180a0000010a09000112340050${IDENTITY}d10003612e62`],
])("a connection over %s", (_name, parts, expected) => {
  const header = encodeProxyHeader({ hostname: undefined, ...parts, identity: "spi" });
  expect(header.toString("hex")).toBe(SIGNATURE + expected);
});
