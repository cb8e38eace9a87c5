// SPDX-License-Identifier: Apache-2.0
import type { DescEnum } from "@bufbuild/protobuf";
import type { BoolRules, EnumRules } from "../../gen/validate/validate_pb.ts";
import { type Rule, type ValueTests, given } from "../rule.ts";
import { membershipRules } from "./membership.ts";

/** Tests of an enum's numbers. */
export function enumTests(rules: EnumRules, descriptor: DescEnum): ValueTests {
  const show = (value: number): string => showEnum(value, descriptor);
  const tests: Rule<number>[] = membershipRules<number>(
    { name: "enum", key: (value) => value, show },
    { const: given(rules, "const"), in: rules.in, notIn: rules.notIn },
  );
  if (rules.definedOnly) {
    const fails = (value: number): boolean => descriptor.value[value] === undefined;
    tests.push({ name: "enum.defined_only", expected: `must be a value of ${descriptor.typeName}`, fails });
  }
  return { rules: tests };
}

/** "STATIC", or the number where it has no name. */
export function showEnum(value: number, descriptor: DescEnum): string {
  return descriptor.value[value]?.name ?? String(value);
}

/** Tests of booleans. */
export function boolTests(rules: BoolRules): ValueTests {
  return {
    rules: membershipRules<boolean>(
      { name: "bool", key: (value) => value, show: String },
      { const: given(rules, "const") },
    ),
  };
}
