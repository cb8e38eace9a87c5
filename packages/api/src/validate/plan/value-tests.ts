// SPDX-License-Identifier: Apache-2.0
import type { FieldRules } from "../../gen/validate/validate_pb.ts";
import { UnsupportedRule, type ValueTests } from "../rule.ts";
import { anyTests } from "../rules/any.ts";
import { bytesTests } from "../rules/bytes.ts";
import { boolTests, enumTests } from "../rules/enum.ts";
import { numberTests } from "../rules/number.ts";
import { stringTests } from "../rules/string.ts";
import { durationTests, timestampTests } from "../rules/time.ts";
import type { ValueType } from "./value-type.ts";

/**
 * The tests of a value from the rules of its field.
 *
 * @param now - milliseconds since 1970
 * @throws UnsupportedRule for rules of another kind than the value, and for rules without a meaning
 */
export function valueTests(type: ValueType, { type: rules }: FieldRules, now: () => number): ValueTests {
  if (rules.case === undefined) return { rules: [] };
  // Envoy has any.required at fields of other message types; nothing else of AnyRules makes sense there.
  const isOnlyRequired = rules.case === "any" && rules.value.in.length === 0 && rules.value.notIn.length === 0;
  if (isOnlyRequired && type.message) return { rules: [] };
  if (rules.case === "repeated" || rules.case === "map" || rules.case !== type.kind) {
    throw new UnsupportedRule(rules.case, `is not for values of the kind ${type.kind}`);
  }
  switch (rules.case) {
    case "bool":
      return boolTests(rules.value);
    case "string":
      return stringTests(rules.value);
    case "bytes":
      return bytesTests(rules.value);
    case "any":
      return anyTests(rules.value);
    case "duration":
      return durationTests(rules.value);
    case "timestamp":
      return timestampTests(rules.value, now);
    case "enum":
      if (!type.enum) throw new TypeError("an enum has no descriptor");
      return enumTests(rules.value, type.enum);
    default:
      return numberTests(rules.case, rules.value);
  }
}
