// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import forge from "node-forge";
import { describe, expect, it, test } from "vitest";
import {
  DerReader,
  TAG,
  decodeBitOctets,
  decodeBits,
  decodeBoolean,
  decodeInteger,
  decodeOid,
  decodeTime,
  der,
  derBitOctets,
  derBits,
  derBoolean,
  derInteger,
  derNull,
  derOctets,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8,
  type DerElement,
} from "../../src/x509/index.ts";
import { outcomeOf } from "../outcome.ts";

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(" ", ""), "hex");
const read = (element: Uint8Array): DerElement => new DerReader(element, "a test").read();

describe("DerReader", () => {
  it("reads elements in order and enters them", () => {
    const reader = new DerReader(derSequence(derInteger(1), derNull()), "a test");
    const inside = reader.enter();
    reader.end();
    expect(inside.optional(TAG.BOOLEAN)).toBeUndefined();
    expect(decodeInteger(inside.read(TAG.INTEGER))).toBe(1n);
    expect(inside.nextTag).toBe(TAG.NULL);
    expect(inside.isAtEnd).toBe(false);
    expect(inside.read().contents).toHaveLength(0);
    expect(inside.isAtEnd).toBe(true);
  });

  test.each([
    ["", "ends too early"],
    ["30", "ends too early"],
    ["30 80 05 00 00 00", "indefinite"],
    ["30 85 00 00 00 00 01 00", "above 4 GiB"],
    ["30 81 05 00", "not minimal"],
    ["30 82 00 80", "not minimal"],
    ["30 82 01", "ends too early"],
    ["30 03 05 00", "does not fit"],
    ["1f 81 00 00", "above 30"],
    ["02 01 05", "tag 0x2 where 0x30 is due"],
  ])("refuses %j: %s", (hex, problem) => {
    expect(() => new DerReader(bytes(hex), "the test").read(hex.startsWith("02") ? TAG.SEQUENCE : undefined)).toThrow(
      new RegExp(`the test is not DER: .*${problem}`),
    );
  });

  it("refuses what is left over", () => {
    const reader = new DerReader(Buffer.concat([derNull(), derNull()]), "the test");
    reader.read();
    expect(() => reader.end()).toThrow("2 bytes left over");
  });

  it("reads any bytes or throws its own error, and what it reads it would write the same way", async () => {
    const readAgain = (input: Uint8Array): void => {
      const element = read(input);
      expect(der(element.tag, element.contents)).toEqual(element.raw);
    };
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (input) => {
        expect(["read", "DER_INVALID"]).toContain(await outcomeOf(() => readAgain(input)));
      }),
    );
  });
});

describe("lengths", () => {
  test.each([0, 127, 128, 255, 256, 65_535, 65_536, 1 << 24])("of %i bytes come back", (length) => {
    expect(read(derOctets(Buffer.alloc(length))).contents).toHaveLength(length);
  });
});

describe("values", () => {
  it("write and read integers", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 160n }), (value) => {
        expect(decodeInteger(read(derInteger(value)))).toBe(value);
      }),
    );
  });

  test.each([
    ["02 01 80", -128n],
    ["02 02 ff 7f", -129n],
    ["02 01 ff", -1n],
    ["02 01 00", 0n],
  ])("reads the integer %s", (hex, value) => expect(decodeInteger(read(bytes(hex)))).toBe(value));

  test.each(["02 00", "02 02 00 01", "02 02 ff ff", `02 41 ${"01".repeat(65)}`])("refuses the integer %s", (hex) =>
    expect(() => decodeInteger(read(bytes(hex)))).toThrow("INTEGER"),
  );

  test.each(["2.5.29.17", "1.2.840.113549.1.1.11", "0.9.2342", "2.999.1", "1.39.128.16384"])(
    "writes and reads the identifier %s",
    (oid) => {
      expect(decodeOid(read(derOid(oid)))).toBe(oid);
    },
  );

  test.each(["06 00", "06 01 80", "06 02 2a 80", "06 03 2a 80 01", "06 0a 2a ff ff ff ff ff ff ff ff 7f"])(
    "refuses the identifier %s",
    (hex) => expect(() => decodeOid(read(bytes(hex)))).toThrow("OBJECT IDENTIFIER"),
  );

  test.each([
    [[], "03 01 00"],
    [[0], "03 02 07 80"],
    [[5, 6], "03 02 01 06"],
    [[0, 8], "03 03 07 80 80"],
  ])("writes and reads the flags %j", (set, hex) => {
    const element = derBits(set);
    expect(element).toEqual(bytes(hex));
    const bits = decodeBits(read(element));
    expect(bits.flatMap((bit, at) => (bit ? [at] : []))).toEqual(set);
  });

  test.each(["03 00", "03 01 01", "03 02 08 80"])("refuses the flags %s", (hex) =>
    expect(() => decodeBits(read(bytes(hex)))).toThrow("BIT STRING"),
  );

  it("reads bit strings of whole octets only", () => {
    expect(decodeBitOctets(read(derBitOctets(bytes("0102"))))).toEqual(bytes("0102"));
    expect(() => decodeBitOctets(read(bytes("03 02 01 02")))).toThrow("whole octets");
  });

  it("reads booleans as DER writes them", () => {
    expect(decodeBoolean(read(derBoolean(true)))).toBe(true);
    expect(decodeBoolean(read(derBoolean(false)))).toBe(false);
    expect(() => decodeBoolean(read(bytes("01 01 01")))).toThrow("BOOLEAN");
  });

  it("orders sets", () => {
    expect(derSet(derInteger(2), derInteger(1))).toEqual(bytes("31 06 02 01 01 02 01 02"));
  });

  it("write and read times from 1950 to 9999, cut to seconds", () => {
    const time = fc.date({ min: new Date("1950-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
    fc.assert(
      fc.property(time, (date) => {
        expect(decodeTime(read(derTime(date.getTime())))).toBe(Math.floor(date.getTime() / 1000) * 1000);
      }),
    );
  });

  test.each([
    ["2049-12-31T23:59:59Z", TAG.UTC_TIME],
    ["2050-01-01T00:00:00Z", TAG.GENERALIZED_TIME],
  ])("%s has the type of RFC 5280", (text, tag) => expect(read(derTime(Date.parse(text))).tag).toBe(tag));

  test.each([
    [TAG.UTC_TIME, "2301010000Z"],
    [TAG.UTC_TIME, "230101000000+0100"],
    [TAG.UTC_TIME, "230230000000Z"],
    [TAG.UTC_TIME, "230101240000Z"],
    [TAG.GENERALIZED_TIME, "20230101000000.5Z"],
    [TAG.GENERALIZED_TIME, "20230001000000Z"],
    [TAG.IA5_STRING, "230101000000Z"],
  ])("refuses the time %i %s", (tag, text) =>
    expect(() => decodeTime(read(der(tag, Buffer.from(text))))).toThrow(
      expect.objectContaining({ code: "DER_INVALID" }),
    ),
  );
});

// An independent implementation has to read what we write, and we what it writes.
describe("beside node-forge", () => {
  const binary = (buffer: Buffer): string => buffer.toString("latin1");

  it("agrees on a structure of everything", () => {
    const ours = derSequence(
      derInteger(2n ** 127n),
      derOid("1.2.840.113549.1.1.11"),
      derSet(derUtf8("x".repeat(200))),
      derBoolean(true),
      derNull(),
      derOctets(Buffer.alloc(70_000, 7)),
    );
    const tree = forge.asn1.fromDer(binary(ours));
    expect(Buffer.from(forge.asn1.toDer(tree).getBytes(), "binary")).toEqual(ours);
  });

  it("agrees on identifiers and integers", () => {
    const arcs = fc.array(fc.nat({ max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(arcs, (rest) => {
        const oid = `1.3.${rest.join(".")}`;
        expect(binary(read(derOid(oid)).contents)).toBe(forge.asn1.oidToDer(oid).getBytes());
      }),
    );
  });
});
