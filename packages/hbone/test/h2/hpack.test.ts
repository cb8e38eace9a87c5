// SPDX-License-Identifier: Apache-2.0
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { CODE_LENGTHS, CODES } from "../../src/h2/hpack/huffman-code.ts";
import { decodedBound, huffmanDecode, huffmanEncode, huffmanLength } from "../../src/h2/hpack/huffman.ts";
import { DynamicTable } from "../../src/h2/hpack/dynamic-table.ts";
import { HpackDecoder } from "../../src/h2/hpack/decoder.ts";
import { HpackEncoder } from "../../src/h2/hpack/encoder.ts";
import { STATIC_TABLE, type HeaderField } from "../../src/h2/hpack/static-table.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const decoder = (maxListSize = 65_536, maxTableSize = 4096): HpackDecoder =>
  new HpackDecoder({ maxListSize, maxTableSize });
const fault = (code: number): object => expect.objectContaining({ name: "ConnectionFault", code }) as object;
const COMPRESSION_ERROR = fault(9);

const first: HeaderField[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const second: HeaderField[] = [...first, ["cache-control", "no-cache"]];
const third: HeaderField[] = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];
const response = (status: string, ...more: HeaderField[]): HeaderField[] => [
  [":status", status],
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
  ["location", "https://www.example.com"],
  ...more,
];
const thirdResponse: HeaderField[] = [
  [":status", "200"],
  ["cache-control", "private"],
  ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
  ["location", "https://www.example.com"],
  ["content-encoding", "gzip"],
  ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
];

describe("examples of RFC 7541 appendix C", () => {
  test.each([
    ["C.2.1", "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", ["custom-key", "custom-header"]],
    ["C.2.2", "040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"]],
    ["C.2.3", "1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"]],
    ["C.2.4", "82", [":method", "GET"]],
  ])("%s one field", (_name, block, field) => {
    expect(decoder().decode(hex(block)).fields).toEqual([field]);
  });

  test.each<[name: string, tableSize: number, blocks: [block: string, fields: HeaderField[]][]]>([
    [
      "C.3 requests without Huffman",
      4096,
      [
        ["8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first],
        ["8286 84be 5808 6e6f 2d63 6163 6865", second],
        ["8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third],
      ],
    ],
    [
      "C.4 requests with Huffman",
      4096,
      [
        ["8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first],
        ["8286 84be 5886 a8eb 1064 9cbf", second],
        ["8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third],
      ],
    ],
    [
      "C.6 responses with Huffman and evictions",
      256,
      [
        [
          "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
          response("302"),
        ],
        ["4883 640e ffc1 c0bf", response("307")],
        [
          "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
          thirdResponse,
        ],
      ],
    ],
  ])("%s", (_name, tableSize, blocks) => {
    const inOrder = decoder(65_536, tableSize);
    for (const [block, fields] of blocks) expect(inOrder.decode(hex(block)).fields).toEqual(fields);
  });
});

describe("the Huffman code", () => {
  it("is complete and free of prefixes", () => {
    const sum = CODE_LENGTHS.reduce((total, length) => total + 2 ** -length, 0);
    const codes = CODE_LENGTHS.map((length, symbol) =>
      (CODES[symbol] ?? 0).toString(2).padStart(length, "0"),
    ).toSorted();
    expect(CODE_LENGTHS).toHaveLength(257);
    expect(sum).toBe(1);
    expect(codes.filter((code, index) => codes[index + 1]?.startsWith(code))).toEqual([]);
  });

  it.each([
    ["0", 0x0, 5],
    [" ", 0x14, 6],
    ["\n", 0x3ffffffc, 30],
    ["\u00ff", 0x3ffffee, 26],
    ["\\", 0x7fff0, 19],
  ])("has the codes of appendix B, such as that of %j", (character, code, length) => {
    const symbol = character.charCodeAt(0);
    expect([CODES[symbol], CODE_LENGTHS[symbol]]).toEqual([code, length]);
  });

  it("gives back any octets", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        const text = Buffer.from(octets).toString("latin1");
        const coded = Buffer.alloc(huffmanLength(text));
        expect(huffmanEncode(text, coded, 0)).toBe(coded.length);
        const plain = Buffer.alloc(decodedBound(coded.length));
        expect(plain.toString("latin1", 0, huffmanDecode(coded, 0, coded.length, plain))).toBe(text);
      }),
    );
  });

  it.each([
    ["padding with a zero bit", "f2"],
    ["eight bits of padding", "1fff"],
    ["the end of string", "ffffffff"],
  ])("refuses %s", (_name, coded) => {
    expect(() => huffmanDecode(hex(coded), 0, coded.length / 2, Buffer.alloc(16))).toThrow(COMPRESSION_ERROR);
  });
});

/** Whether a block was either refused for what it is, or kept within a limit of 4096 octets. */
function attempt(inOrder: HpackDecoder, block: Buffer): { isWithinLimits: boolean } {
  try {
    const { fields, listSize, isTooLarge } = inOrder.decode(block);
    return { isWithinLimits: isTooLarge === listSize > 4096 && fields.length * 32 <= 4096 };
  } catch (error) {
    return { isWithinLimits: (error as Error).name === "ConnectionFault" };
  }
}

describe("the decoder", () => {
  it.each([
    ["index 0", "80"],
    ["an index beyond the tables", "be"],
    ["a name index beyond the tables", "7f00 0161"],
    ["an integer that ends early", "ff"],
    ["an integer without end", "ff80 8080 8080 8080 01"],
    ["an integer above all limits", "ffff ffff ff0f"],
    ["a string that ends early", "4003 6162"],
    ["a field without value", "4001 61"],
    ["a larger table than announced", "3fe2 1f"],
    ["a change of the table size in the middle of a block", "823f e11f"],
    ["wrong Huffman padding", "4081 f201 61"],
  ])("refuses %s", (_name, block) => {
    expect(() => decoder().decode(hex(block))).toThrow(COMPRESSION_ERROR);
  });

  it("counts the decoded size and keeps no list above its limit, but stays in step", () => {
    const small = decoder(100);
    const encoder = new HpackEncoder();
    const large = small.decode(
      encoder.encode([
        ["a-name", "v".repeat(60)],
        ["b-name", "w".repeat(60)],
      ]),
    );
    expect(large).toEqual({ fields: [], listSize: 2 * (6 + 60 + 32), isTooLarge: true });
    const next = small.decode(encoder.encode([["b-name", "w".repeat(60)]]));
    expect(next).toEqual({ fields: [["b-name", "w".repeat(60)]], listSize: 98, isTooLarge: false });
  });

  it("bounds what a few octets that name one large entry many times may become", () => {
    const bomb = decoder(16_384);
    const entry = Buffer.concat([hex("4001 61 7fd1 1e"), Buffer.alloc(127 + 0xf51, "v")]);
    const block = Buffer.concat([entry, Buffer.alloc(60_000, 0xbe)]);
    const decoded = bomb.decode(block);
    expect(decoded.isTooLarge).toBe(true);
    expect(decoded.fields).toEqual([]);
    expect(decoded.listSize).toBeGreaterThan(200_000_000);
  });

  it("never throws anything but COMPRESSION_ERROR, whatever the octets", () => {
    const shared = decoder(4096);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        const outcome = attempt(shared, Buffer.from(octets));
        expect(outcome).toMatchObject({ isWithinLimits: true });
      }),
      { numRuns: 2000 },
    );
  });
});

describe("encoder and decoder", () => {
  const name = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
  const value = fc.string({ unit: "grapheme-ascii", maxLength: 200 });
  const known = fc.constantFrom(...STATIC_TABLE);
  const field = fc.oneof(
    fc.tuple(name, value),
    known,
    fc.tuple(fc.constantFrom("baggage", "cookie", "traceparent"), value),
  );

  it("agree on any sequence of blocks, also while the table's size changes", () => {
    const step = fc.oneof(fc.array(field, { maxLength: 12 }), fc.integer({ min: 0, max: 6000 }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const encoder = new HpackEncoder();
        const inOrder = decoder(10_000_000);
        const decoded: unknown[] = [];
        for (const next of steps) {
          if (typeof next === "number") encoder.setMaxTableSize(next);
          else decoded.push(inOrder.decode(encoder.encode(next)).fields);
        }
        expect(decoded).toEqual(steps.filter((next) => typeof next !== "number"));
      }),
    );
  });

  it("spends one octet on what was sent before, and puts nothing into the table that changes every time or is secret", () => {
    const encoder = new HpackEncoder();
    const repeated: HeaderField[] = [
      [":authority", "10.0.0.1:8080"],
      ["baggage", "k8s.cluster.name=a,k8s.namespace.name=b"],
    ];
    encoder.encode(repeated);
    expect(encoder.encode(repeated)).toHaveLength(2);
    const passing: HeaderField[] = [
      ["traceparent", "00-1-2-00"],
      ["authorization", "Bearer x"],
    ];
    const length = encoder.encode(passing).length;
    expect(encoder.encode(passing)).toHaveLength(length);
    expect(encoder.encode([["authorization", "Bearer x"]])[0]).toBe(0x1f);
  });

  it("announces the smallest table size in between, then the last", () => {
    const encoder = new HpackEncoder();
    const inOrder = decoder();
    inOrder.decode(encoder.encode([["a", "b"]]));
    encoder.setMaxTableSize(0);
    encoder.setMaxTableSize(2000);
    const block = encoder.encode([["a", "b"]]);
    expect(block.subarray(0, 4).toString("hex")).toBe("203fb10f");
    expect(inOrder.decode(block).fields).toEqual([["a", "b"]]);
  });
});

describe("the dynamic table", () => {
  it("evicts the oldest, and everything for an entry larger than itself", () => {
    const evicted: string[] = [];
    const table = new DynamicTable(80, ([name]) => evicted.push(name));
    table.add(["a", "1"]);
    table.add(["b", "2"]);
    expect([table.length, table.size, table.at(0)?.[0], table.at(1)?.[0]]).toEqual([2, 68, "b", "a"]);
    table.add(["c", "3"]);
    expect(evicted).toEqual(["a"]);
    expect(table.add(["d", "x".repeat(60)])).toBeUndefined();
    expect([evicted, table.length, table.size]).toEqual([["a", "b", "c"], 0, 0]);
  });
});
