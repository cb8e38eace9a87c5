// SPDX-License-Identifier: Apache-2.0
import { type DescEnum, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { type Any, type Duration, type Timestamp, isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { showEnum } from "../rules/enum.ts";
import { showDuration, showTimestamp } from "../rules/time.ts";
import { showValue } from "../show.ts";

/** What a value is. */
export interface ValueType {
  /** The case of FieldRules that is for it: `uint32`, `enum`, `duration`; "message" where none is. */
  readonly kind: string;
  /** Undefined for google.protobuf.*Value, which count as what they hold. */
  readonly message: DescMessage | undefined;
  readonly enum: DescEnum | undefined;
  /** A google.protobuf.*Value that protobuf-es holds as a message: in lists, maps and oneofs. */
  readonly isWrapped: boolean;
}

/** What the descriptor of a field says of its value, its elements or its map's values. */
interface Described {
  readonly scalar?: ScalarType | undefined;
  readonly message?: DescMessage | undefined;
  readonly enum?: DescEnum | undefined;
}

const WELL_KNOWN: ReadonlyMap<string, string> = new Map([
  ["google.protobuf.Any", "any"],
  ["google.protobuf.Duration", "duration"],
  ["google.protobuf.Timestamp", "timestamp"],
]);

/** The type of a value; `isPlain` where protobuf-es has unwrapped a wrapper. */
export function valueTypeOf(described: Described, isPlain: boolean): ValueType {
  const { scalar, message, enum: enumType } = described;
  if (enumType) return { kind: "enum", message, enum: enumType, isWrapped: false };
  if (!message) return { kind: scalarKind(scalar), message, enum: enumType, isWrapped: false };
  if (isWrapperDesc(message)) {
    return { kind: scalarKind(message.fields[0]?.scalar), message: undefined, enum: undefined, isWrapped: !isPlain };
  }
  return { kind: WELL_KNOWN.get(message.typeName) ?? "message", message, enum: undefined, isWrapped: false };
}

function scalarKind(scalar: ScalarType | undefined): string {
  return ScalarType[scalar as ScalarType].toLowerCase();
}

/** A value as text of bounded length. */
export function showTyped(type: ValueType, value: unknown): string {
  if (type.enum) return showEnum(value as number, type.enum);
  switch (type.kind) {
    case "duration":
      return showDuration(value as Duration);
    case "timestamp":
      return showTimestamp(value as Timestamp);
    case "any":
      return showValue((value as Any).typeUrl);
    case "message":
      return type.message?.typeName ?? "";
    default:
      return showValue(value);
  }
}
