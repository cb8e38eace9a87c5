// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { netlinkAttributes, netlinkMessages } from "../../src/netlink/netlink.ts";

test("messages of a datagram are taken apart, up to one that does not fit", () => {
  const message = (type: number, body: string): Buffer => {
    const bytes = Buffer.alloc((16 + body.length + 3) & ~3);
    bytes.writeUInt32LE(16 + body.length, 0);
    bytes.writeUInt16LE(type, 4);
    bytes.write(body, 16);
    return bytes;
  };
  const whole = Buffer.concat([message(7, "abc"), message(8, ""), message(9, "xyz1")]);
  const texts = (bytes: Buffer): unknown => netlinkMessages(bytes).map(({ type, body }) => [type, body.toString()]);
  expect(texts(whole)).toEqual([
    [7, "abc"],
    [8, ""],
    [9, "xyz1"],
  ]);
  expect(texts(whole.subarray(0, whole.length - 1))).toEqual([
    [7, "abc"],
    [8, ""],
  ]);
});

test("attributes are taken apart without their flags", () => {
  const bytes = Buffer.from([5, 0, 1, 0x80, 42, 0, 0, 0, 6, 0, 2, 0, 1, 2]);
  expect(netlinkAttributes(bytes)).toEqual([
    { type: 1, value: Buffer.from([42]) },
    { type: 2, value: Buffer.from([1, 2]) },
  ]);
});

test("whatever comes, parsing ends and stays within the bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const data = Buffer.from(bytes);
      const lengths = [
        ...netlinkMessages(data).map(({ body }) => body.length + 16),
        ...netlinkAttributes(data).map(({ value }) => value.length + 4),
      ];
      expect(Math.max(0, ...lengths)).toBeLessThanOrEqual(data.length);
    }),
  );
});
