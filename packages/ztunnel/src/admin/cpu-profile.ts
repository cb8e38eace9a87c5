// SPDX-License-Identifier: Apache-2.0
import type { Profiler } from "node:inspector";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

type Node = Profiler.ProfileNode;

/** The texts of a profile, each once; number 0 is the empty one. */
class StringTable {
  readonly #numbers = new Map<string, number>([["", 0]]);

  number(text: string): number {
    const known = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, known);
    return known;
  }

  texts(): Iterable<string> {
    return this.#numbers.keys();
  }
}

// Fields of pprof's profile.proto, by message.
const PROFILE = {
  SAMPLE_TYPE: 1,
  SAMPLE: 2,
  LOCATION: 4,
  FUNCTION: 5,
  STRING: 6,
  DURATION: 10,
  PERIOD_TYPE: 11,
  PERIOD: 12,
};
const VALUE_TYPE = { TYPE: 1, UNIT: 2 };
const SAMPLE = { LOCATION_ID: 1, VALUE: 2 };
const LOCATION = { ID: 1, LINE: 4 };
const LINE = { FUNCTION_ID: 1, LINE: 2 };
const FUNCTION = { ID: 1, NAME: 2, SYSTEM_NAME: 3, FILENAME: 4, START_LINE: 5 };

/** A profile of V8 in the format of pprof (profile.proto), not compressed. Each node of the call tree is a location. */
export function encodePprof(profile: Profiler.Profile, intervalMicros: number): Uint8Array {
  const strings = new StringTable();
  const writer = new BinaryWriter();
  const valueType = (field: number, type: string, unit: string): void => {
    message(writer, field, (part) => {
      part.tag(VALUE_TYPE.TYPE, WireType.Varint).int64(strings.number(type));
      part.tag(VALUE_TYPE.UNIT, WireType.Varint).int64(strings.number(unit));
    });
  };
  valueType(PROFILE.SAMPLE_TYPE, "samples", "count");
  valueType(PROFILE.SAMPLE_TYPE, "cpu", "nanoseconds");
  const parents = parentsOf(profile.nodes);
  for (const [id, { count, nanos }] of totalsOf(profile)) {
    message(writer, PROFILE.SAMPLE, (part) => {
      for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
        part.tag(SAMPLE.LOCATION_ID, WireType.Varint).uint64(at);
      }
      part.tag(SAMPLE.VALUE, WireType.Varint).int64(count);
      part.tag(SAMPLE.VALUE, WireType.Varint).int64(nanos);
    });
  }
  for (const node of profile.nodes) writeNode(writer, node, strings);
  writer.tag(PROFILE.DURATION, WireType.Varint).int64(Math.round((profile.endTime - profile.startTime) * 1000));
  valueType(PROFILE.PERIOD_TYPE, "cpu", "nanoseconds");
  writer.tag(PROFILE.PERIOD, WireType.Varint).int64(intervalMicros * 1000);
  for (const text of strings.texts()) writer.tag(PROFILE.STRING, WireType.LengthDelimited).string(text);
  return writer.finish();
}

function message(writer: BinaryWriter, field: number, write: (part: BinaryWriter) => void): void {
  const part = new BinaryWriter();
  write(part);
  writer.tag(field, WireType.LengthDelimited).bytes(part.finish());
}

function writeNode(writer: BinaryWriter, { id, callFrame }: Node, strings: StringTable): void {
  const name = strings.number(callFrame.functionName || "(anonymous)");
  // V8 counts lines from 0.
  const line = callFrame.lineNumber + 1;
  message(writer, PROFILE.FUNCTION, (part) => {
    part.tag(FUNCTION.ID, WireType.Varint).uint64(id);
    part.tag(FUNCTION.NAME, WireType.Varint).int64(name);
    part.tag(FUNCTION.SYSTEM_NAME, WireType.Varint).int64(name);
    part.tag(FUNCTION.FILENAME, WireType.Varint).int64(strings.number(callFrame.url));
    part.tag(FUNCTION.START_LINE, WireType.Varint).int64(line);
  });
  message(writer, PROFILE.LOCATION, (part) => {
    part.tag(LOCATION.ID, WireType.Varint).uint64(id);
    message(part, LOCATION.LINE, (where) => {
      where.tag(LINE.FUNCTION_ID, WireType.Varint).uint64(id);
      where.tag(LINE.LINE, WireType.Varint).int64(line);
    });
  });
}

function parentsOf(nodes: readonly Node[]): ReadonlyMap<number, number> {
  return new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
}

/** Samples and time of each node itself. */
function totalsOf({ samples = [], timeDeltas = [] }: Profiler.Profile): Map<number, { count: number; nanos: number }> {
  const totals = new Map<number, { count: number; nanos: number }>();
  for (const [at, id] of samples.entries()) {
    const total = totals.get(id) ?? { count: 0, nanos: 0 };
    total.count++;
    total.nanos += Math.max(timeDeltas[at] ?? 0, 0) * 1000;
    totals.set(id, total);
  }
  return totals;
}
