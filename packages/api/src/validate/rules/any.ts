// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import type { AnyRules } from "../../gen/validate/validate_pb.ts";
import type { ValueTests } from "../rule.ts";
import { showValue } from "../show.ts";
import { type Kind, membershipRules } from "./membership.ts";

const ANYS: Kind<Any> = { name: "any", key: ({ typeUrl }) => typeUrl, show: ({ typeUrl }) => showValue(typeUrl) };

/** Tests of an Any's type URL. */
export function anyTests(rules: AnyRules): ValueTests {
  const listed = (typeUrls: readonly string[]): Any[] => typeUrls.map((typeUrl) => create(AnySchema, { typeUrl }));
  return { rules: membershipRules(ANYS, { in: listed(rules.in), notIn: listed(rules.notIn) }) };
}
