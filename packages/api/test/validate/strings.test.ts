// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { FormatsSchema, StringsSchema } from "../fixtures/gen/fixtures/rules_pb.ts";
import { createValidator } from "../../src/validate/index.ts";
import { broken, typeWith } from "./judge.ts";

const KEY = "\u{1f511}";

test.each<[field: string, value: string, expected: string[]]>([
  ["const", "ä", []],
  ["const", "a\u0308", ["string.const"]],
  ["len", KEY + KEY, []],
  ["len", "ab", []],
  ["len", KEY, ["string.len"]],
  ["len", "abc", ["string.len"]],
  ["min_len", "ab", []],
  ["min_len", KEY + KEY, []],
  ["min_len", KEY, ["string.min_len"]],
  ["min_len", "", ["string.min_len"]],
  ["max_len", KEY + KEY, []],
  ["max_len", "", []],
  ["max_len", `${KEY}${KEY}a`, ["string.max_len"]],
  ["len_bytes", KEY, []],
  ["len_bytes", "abcd", []],
  ["len_bytes", "abc", ["string.len_bytes"]],
  ["min_bytes", KEY, []],
  ["min_bytes", "ää", []],
  ["min_bytes", "äa", ["string.min_bytes"]],
  ["max_bytes", "ää", []],
  ["max_bytes", "ääa", ["string.max_bytes"]],
  ["pattern", "a-b", []],
  ["pattern", "a-", ["string.pattern"]],
  ["pattern", "", ["string.pattern"]],
  ["unanchored", "abba", []],
  ["unanchored", "ac", ["string.pattern"]],
  ["prefix", "abc", []],
  ["prefix", "cab", ["string.prefix"]],
  ["suffix", "cab", []],
  ["suffix", "abc", ["string.suffix"]],
  ["contains", "cabc", []],
  ["contains", "ba", ["string.contains"]],
  ["not_contains", "ba", []],
  ["not_contains", "cabc", ["string.not_contains"]],
  ["in", "b", []],
  ["in", "", ["string.in"]],
  ["not_in", "", []],
  ["not_in", "b", ["string.not_in"]],
  ["ignoring", "", []],
  ["ignoring", "abc", []],
  ["ignoring", "ab", ["string.min_len"]],
  ["length", "abc", []],
  ["length", "a", ["string.min_len"]],
  ["length", "abcd", ["string.max_len"]],
])("Strings.%s: %o breaks %j", (field, value, expected) => {
  expect(broken(StringsSchema, field, value)).toEqual(expected);
});

const label = "a".repeat(63);

/** Values that a format accepts, and values that it refuses. */
const FORMATS: Readonly<Record<string, { readonly rule: string; readonly good: string[]; readonly bad: string[] }>> = {
  email: {
    rule: "email",
    good: [
      "a@b",
      "first.last+tag@example.com",
      `"a b"@example.com`,
      `"a\\"b"@example.com`,
      `${"a".repeat(64)}@b`,
      "a@b.",
    ],
    bad: [
      "",
      "a",
      "@b",
      "a@",
      "a b@c",
      ".a@b",
      "a.@b",
      "a..b@c",
      "a@b_c",
      "Name <a@b>",
      "ä@b",
      "a@[127.0.0.1]",
      `${"a".repeat(65)}@b`,
      `a@${label}.${label}.${label}.${label}`,
      `"a"b"@c`,
    ],
  },
  hostname: {
    rule: "hostname",
    good: ["a", "example.com", "example.com.", "1.2", "a-b.c", "xn--bcher-kva.example", label, "EXAMPLE"],
    bad: [
      "",
      ".",
      "..",
      "a..b",
      ".a",
      "-a",
      "a-",
      "a.-b",
      "a_b",
      "a b",
      "bücher.example",
      "a:80",
      "a/b",
      "a\n",
      `${label}a`,
      `${label}.${label}.${label}.${label}`,
    ],
  },
  ip: {
    rule: "ip",
    good: ["0.0.0.0", "255.255.255.255", "::", "::1", "2001:db8::1", "::ffff:1.2.3.4"],
    bad: ["", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.4 ", "[::1]", "fe80::1%eth0", ":::", "1.2.3.4/8"],
  },
  ipv4: { rule: "ipv4", good: ["1.2.3.4"], bad: ["", "::1", "::ffff:1.2.3.4", "1.2.3.4:80", "localhost"] },
  ipv6: { rule: "ipv6", good: ["::1", "1:2:3:4:5:6:7:8"], bad: ["", "1.2.3.4", "1:2:3:4:5:6:7", "fe80::1%1", "g::"] },
  uri: {
    rule: "uri",
    good: [
      "http://example.com",
      "http://user:pw@example.com:8080/a/b;c?d=e&f#g",
      "spiffe://td/ns/a/sa/b",
      "mailto:a@b",
      "urn:isbn:1",
      "file:///etc",
      "http://[::1]:80/",
      "http://[v1.a:b]/",
      "a:",
      "http://a/%20",
      "http://a:/?/?#/?",
    ],
    bad: [
      "",
      "/a",
      "a",
      "//a/b",
      ":a",
      "1a:b",
      "http://a b",
      "http://a/b c",
      "http://a/%2",
      "http://a/%zz",
      "http://[::1",
      "http://[1.2.3.4]/",
      "http://a:b/",
      "http://a:80:80/",
      "http://ä/",
      "a:[",
      "http://a#b#c",
      "http://a\\b",
      "h%:a",
      "http://[fe80::1%25eth0]/",
      "http://[::1]a/",
    ],
  },
  uri_ref: {
    rule: "uri_ref",
    good: ["", "/a", "a/b", "../a", "?q", "#f", "//host/path", "http://example.com", "a%20b", "./a:b", "/a//b"],
    bad: ["1a:b", "a b", "%", "//a b/", "\\", "/ä", "/<>", "#a#b", "a\n"],
  },
  address: {
    rule: "address",
    good: ["example.com", "1.2.3.4", "::1", "a"],
    bad: ["", "a_b", "[::1]", "1.2.3.4:80", "fe80::1%eth0"],
  },
  uuid: {
    rule: "uuid",
    good: ["00000000-0000-0000-0000-000000000000", "123e4567-E89B-12d3-a456-426614174000"],
    bad: [
      "",
      "123e4567e89b12d3a456426614174000",
      "{123e4567-e89b-12d3-a456-426614174000}",
      "g23e4567-e89b-12d3-a456-426614174000",
    ],
  },
  header_name: {
    rule: "well_known_regex",
    good: ["a", "X-Request-Id", ":path", "!#$%&'*+-.^_`|~09"],
    bad: ["", ":", "::a", "a:", "a b", "a,b", "ä", "a\n", "a\0", "a/b", "(a)"],
  },
  header_value: {
    rule: "well_known_regex",
    good: ["", "a b", "a\tb", "\u0080ä", '"'],
    bad: ["a\n", "\r", "\0", "\u001f", "\u007f", "\u0008", "\u000b"],
  },
  lenient_name: { rule: "well_known_regex", good: ["", "a b", "ä", "\u0001", ":::"], bad: ["a\n", "\r", "\0b"] },
  lenient_value: { rule: "well_known_regex", good: ["", "\u0001\u007f", "*.example.com"], bad: ["a\nb", "a\r", "\0"] },
  not_uuid: { rule: "", good: ["", "anything"], bad: [] },
  unknown_regex: { rule: "", good: ["", "a\n"], bad: [] },
};

describe("formats", () => {
  it("are all in the table", () => {
    expect(FormatsSchema.fields.map(({ name }) => name)).toEqual(Object.keys(FORMATS));
  });

  describe.each(Object.entries(FORMATS))("%s", (field, { rule, good, bad }) => {
    test.each(good.map((value) => [value]))("accepts %j", (value) => {
      expect(broken(FormatsSchema, field, value)).toEqual([]);
    });
    test.each(bad.map((value) => [value]))("refuses %j", (value) => {
      expect(broken(FormatsSchema, field, value)).toEqual([`string.${rule}`]);
    });
  });

  it("accept what URL makes of a text", () => {
    fc.assert(
      fc.property(fc.webUrl({ withFragments: true, withQueryParameters: true }), (url) => {
        expect(broken(FormatsSchema, "uri", new URL(url).href)).toEqual([]);
      }),
    );
  });

  it("accept addresses and names as fast-check makes them", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV6(), fc.domain(), fc.uuid(), (ipv4, ipv6, domain, uuid) => {
        const values = { ipv4, ipv6, hostname: domain, uuid, address: ipv6, email: `a@${domain}` };
        const wrong = Object.entries(values).flatMap(([field, value]) => broken(FormatsSchema, field, value));
        expect(wrong).toEqual([]);
      }),
    );
  });

  it("answer for long hostile texts at once", () => {
    const length = 200_000;
    const texts = [
      "a".repeat(length),
      "a.".repeat(length),
      "%41".repeat(length),
      `http://${":".repeat(length)}`,
      "@".repeat(length),
    ];
    const answers = texts.map((text) =>
      FormatsSchema.fields.map(({ name }) => broken(FormatsSchema, name, text).length),
    );
    expect(answers.flat().length).toBe(texts.length * FormatsSchema.fields.length);
  });
});

describe("any string rule agrees with a naive reading of it", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "ä", KEY), maxLength: 6 });
  const limit = fc.bigInt({ min: 0n, max: 7n });
  const characters = (value: string): bigint => BigInt(Array.from(value).length);
  const bytes = (value: string): bigint => BigInt(new TextEncoder().encode(value).length);
  const naive: Readonly<Record<string, (value: string, limit: bigint) => boolean>> = {
    len: (value, limit) => characters(value) === limit,
    minLen: (value, limit) => characters(value) >= limit,
    maxLen: (value, limit) => characters(value) <= limit,
    lenBytes: (value, limit) => bytes(value) === limit,
    minBytes: (value, limit) => bytes(value) >= limit,
    maxBytes: (value, limit) => bytes(value) <= limit,
  };

  it.each(Object.keys(naive))("%s", (rule) => {
    fc.assert(
      fc.property(text, limit, (value, bound) => {
        const schema = typeWith(Type.STRING, { type: { case: "string", value: { [rule]: bound } } });
        const { ok } = createValidator().validate(schema, create(schema, { value }));
        expect(ok).toBe(naive[rule]?.(value, bound));
      }),
    );
  });

  it("prefix, suffix, contains, not_contains", () => {
    fc.assert(
      fc.property(text, text, (value, part) => {
        const rules = { prefix: part, suffix: part, contains: part, notContains: part };
        const schema = typeWith(Type.STRING, { type: { case: "string", value: rules } });
        const isInside = value.split(part).length > 1 || part === "";
        const expected = [
          ...(new RegExp(`^${part}`, "u").test(value) ? [] : ["string.prefix"]),
          ...(new RegExp(`${part}$`, "u").test(value) ? [] : ["string.suffix"]),
          isInside ? "string.not_contains" : "string.contains",
        ];
        expect(broken(schema, "value", value)).toEqual(expected);
      }),
    );
  });
});
