// SPDX-License-Identifier: Apache-2.0
import type { BytesRules } from "../../gen/validate/validate_pb.ts";
import { compilePattern } from "../re2/pattern.ts";
import { type Rule, type ValueTests, given } from "../rule.ts";
import { showValue } from "../show.ts";
import { lengthRules } from "./length.ts";
import { type Kind, membershipRules } from "./membership.ts";

const asBuffer = (value: Uint8Array): Buffer => Buffer.from(value.buffer, value.byteOffset, value.byteLength);
const isEqual = (a: Uint8Array, b: Uint8Array): boolean => asBuffer(a).equals(b);

/** What equal bytes have in common. */
export const bytesKey = (value: Uint8Array): string => asBuffer(value).toString("latin1");

const BYTES: Kind<Uint8Array> = { name: "bytes", key: bytesKey, show: showValue };
const LENGTHS_OF_ADDRESSES = { ip: [4, 16], ipv4: [4], ipv6: [16] } as const;

/** Tests of bytes. */
export function bytesTests(rules: BytesRules): ValueTests {
  const tests = [
    ...membershipRules(BYTES, { const: given(rules, "const"), in: rules.in, notIn: rules.notIn }),
    ...lengthRules<Uint8Array>(
      { unit: "byte", measure: (value) => value.length },
      {
        exactly: ["bytes.len", given(rules, "len")],
        atLeast: ["bytes.min_len", given(rules, "minLen")],
        atMost: ["bytes.max_len", given(rules, "maxLen")],
      },
    ),
    ...contentRules(rules),
    ...addressRules(rules),
  ];
  return { rules: tests, ...(rules.ignoreEmpty && { ignores: (value: Uint8Array) => value.length === 0 }) };
}

function contentRules(rules: BytesRules): Rule<Uint8Array>[] {
  const tests: Rule<Uint8Array>[] = [];
  const add = (name: string, expected: string, holds: (value: Uint8Array) => boolean): void => {
    tests.push({ name: `bytes.${name}`, expected, fails: (value) => !holds(value) });
  };
  const [prefix, suffix, contains] = [given(rules, "prefix"), given(rules, "suffix"), given(rules, "contains")];
  if (prefix) {
    add("prefix", `must begin with ${showValue(prefix)}`, (value) => isEqual(value.subarray(0, prefix.length), prefix));
  }
  if (suffix) {
    const isEnding = (value: Uint8Array): boolean =>
      value.length >= suffix.length && isEqual(value.subarray(value.length - suffix.length), suffix);
    add("suffix", `must end with ${showValue(suffix)}`, isEnding);
  }
  if (contains)
    add("contains", `must contain ${showValue(contains)}`, (value) => asBuffer(value).includes(asBuffer(contains)));
  const pattern = given(rules, "pattern");
  if (pattern !== undefined) {
    const matches = compilePattern("bytes.pattern", pattern);
    add("pattern", `must be UTF-8 that matches ${pattern}`, (value) => {
      const text = asBuffer(value).toString("utf8");
      return isEqual(Buffer.from(text), value) && matches(text);
    });
  }
  return tests;
}

function addressRules({ wellKnown }: BytesRules): Rule<Uint8Array>[] {
  if (!wellKnown.value) return [];
  const lengths: readonly number[] = LENGTHS_OF_ADDRESSES[wellKnown.case];
  return [
    {
      name: `bytes.${wellKnown.case}`,
      expected: `must be an IP address of ${lengths.join(" or ")} bytes`,
      fails: (value) => !lengths.includes(value.length),
    },
  ];
}
