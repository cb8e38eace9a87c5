// SPDX-License-Identifier: Apache-2.0
import { isIP } from "node:net";
import * as fc from "fast-check";
import { expect, it, test } from "vitest";
import { addressBytes, addressText } from "../../src/model/ip-address.ts";

test.each([
  ["10.0.0.1", "0a000001"],
  ["::", "00000000000000000000000000000000"],
  ["::1", "00000000000000000000000000000001"],
  ["fd00::", "fd000000000000000000000000000000"],
  ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ["2001:DB8::5:0", "20010db8000000000000000000050000"],
  ["::ffff:10.0.0.1", "00000000000000000000ffff0a000001"],
])("%s", (text, hex) => {
  expect(Buffer.from(addressBytes(text) ?? []).toString("hex")).toBe(hex);
});

test.each(["", "10.0.0", "010.0.0.1", "fe80::1%eth0", "a.example", "1::2::3", "10.0.0.1/8"])("refuses %j", (text) =>
  expect(addressBytes(text)).toBeUndefined(),
);

it("gives back every address it reads", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
      const bytes = addressBytes(text);
      expect(bytes !== undefined).toBe(isIP(text) !== 0 && !text.includes("%"));
      expect(bytes && addressBytes(addressText(bytes))).toEqual(bytes);
    }),
  );
});
