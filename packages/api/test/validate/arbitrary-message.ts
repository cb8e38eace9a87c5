// SPDX-License-Identifier: Apache-2.0
import { type DescField, type DescMessage, type Message, ScalarType, create } from "@bufbuild/protobuf";
import { anyPack, isWrapperDesc } from "@bufbuild/protobuf/wkt";

const MAX_DEPTH = 3;
const MAX_FIELDS = 6;
const TEXTS = ["", "a", "a-b", "*", "/x", "host.example:80", "a\nb", "\u{1f511}", "x".repeat(300)];
const BYTES = [[], [0], [1, 2, 3, 4], [255, 10]].map((bytes) => Uint8Array.from(bytes));
const BIG = [0n, 1n, 5n, 9_007_199_254_740_993n];
const SMALL = [0, 1, 2, 100, 128, 600, 65_536];
const DECIMALS = [0, -0, 0.5, 1, 100, Number.POSITIVE_INFINITY];

/** Decisions read from a list of numbers, over and over; so a failing list can shrink. */
export class Decisions {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  pick<T>(options: readonly T[]): T {
    const number = (this.#numbers[this.#at++ % this.#numbers.length] ?? 0) + this.#at;
    return options[number % options.length] as T;
  }
}

/** A message of a type, with some of its fields set to values on both sides of what rules usually allow. */
export function arbitraryMessage(
  type: DescMessage,
  decisions: Decisions,
  types: readonly DescMessage[],
  depth = 0,
): Message {
  const build = (inner: DescMessage): Message => arbitraryMessage(inner, decisions, types, depth + 1);
  if (depth > MAX_DEPTH) return create(type);
  if (type.typeName === "google.protobuf.Any") {
    const packed = decisions.pick(types);
    return anyPack(packed, build(packed));
  }
  const init: Record<string, unknown> = {};
  for (let left = Math.min(MAX_FIELDS, type.fields.length); left > 0; left--) {
    const field = decisions.pick(type.fields);
    const value = valueOf(field, decisions, build);
    if (field.oneof) init[field.oneof.localName] = { case: field.localName, value };
    else init[field.localName] = value;
  }
  return create(type, init);
}

function valueOf(field: DescField, decisions: Decisions, build: (type: DescMessage) => Message): unknown {
  const one = (): unknown => {
    if (field.enum) return decisions.pick([...field.enum.values.map(({ number }) => number), 9999]);
    if (!field.message) return scalarOf(field.scalar, decisions);
    if (field.message.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value") {
      return { key: [1, "x", null] };
    }
    const isPlain = field.fieldKind === "message" && !field.oneof && isWrapperDesc(field.message);
    return isPlain ? scalarOf(field.message.fields[0]?.scalar, decisions) : build(field.message);
  };
  if (field.fieldKind === "list") return Array.from({ length: decisions.pick([0, 1, 2, 3]) }, one);
  return field.fieldKind === "map" ? { [mapKeyOf(field.mapKey)]: one() } : one();
}

function mapKeyOf(scalar: ScalarType): string {
  if (scalar === ScalarType.STRING) return "key";
  return scalar === ScalarType.BOOL ? "true" : "1";
}

function scalarOf(scalar: ScalarType | undefined, decisions: Decisions): unknown {
  switch (scalar) {
    case ScalarType.STRING:
      return decisions.pick(TEXTS);
    case ScalarType.BYTES:
      return decisions.pick(BYTES);
    case ScalarType.BOOL:
      return decisions.pick([true, false]);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return decisions.pick(DECIMALS);
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return decisions.pick(BIG);
    default:
      return decisions.pick(SMALL);
  }
}
