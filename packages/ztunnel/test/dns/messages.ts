// SPDX-License-Identifier: Apache-2.0
import { ipFromBytes } from "../../src/net/address.ts";

const TYPES = { A: 1, CNAME: 5, SOA: 6, TXT: 16, AAAA: 28, SRV: 33, OPT: 41 } as const;
export type TypeName = keyof typeof TYPES;

export interface QuestionOptions {
  readonly type?: TypeName;
  readonly id?: number;
  readonly flags?: number;
  /** Size that an OPT record names; none without. */
  readonly udpBytes?: number;
  readonly isDnssecOk?: boolean;
}

/** A question as a resolver sends it. */
export function questionFor(name: string, options: QuestionOptions = {}): Buffer {
  const { type = "A", id = 0x1234, flags = 0x0100, udpBytes, isDnssecOk = false } = options;
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const opt =
    udpBytes === undefined ? [] : [0, ...two(41), ...two(udpBytes), 0, 0, ...two(isDnssecOk ? 0x8000 : 0), 0, 0];
  const counts = [1, 0, 0, udpBytes === undefined ? 0 : 1];
  return Buffer.from([
    ...[id, flags, ...counts].flatMap(two),
    ...Buffer.concat(labels),
    0,
    ...two(TYPES[type]),
    ...two(1),
    ...opt,
  ]);
}

const two = (value: number): readonly number[] => [value >> 8, value & 0xff];

export interface DecodedRecord {
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  /** Address or name; in hex for all else. */
  readonly data: string;
}

export interface DecodedMessage {
  readonly id: number;
  readonly flags: readonly string[];
  readonly rcode: number;
  readonly question: string;
  readonly answers: readonly DecodedRecord[];
  readonly edns: { readonly udpBytes: number; readonly isDnssecOk: boolean } | undefined;
}

const FLAGS: readonly (readonly [string, number])[] = [
  ["qr", 0x8000],
  ["aa", 0x0400],
  ["tc", 0x0200],
  ["rd", 0x0100],
  ["ra", 0x0080],
  ["cd", 0x0010],
];

/** Reads a whole message, names with pointers as well; throws where it is not one to its last byte. */
export function decodeMessage(bytes: Buffer): DecodedMessage {
  const flags = bytes.readUInt16BE(2);
  const [, answerCount = 0, authorityCount, additionalCount = 0] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  if (authorityCount !== 0) throw new Error("authority records are not expected");
  let at = 12;
  let question = "";
  if (bytes.readUInt16BE(4) === 1) {
    const name = readName(bytes, at);
    question = `${name.text} ${bytes.readUInt16BE(name.end)}`;
    at = name.end + 4;
  }
  const answers: DecodedRecord[] = [];
  let edns: DecodedMessage["edns"];
  for (let left = answerCount + additionalCount; left > 0; left--) {
    const name = readName(bytes, at);
    const [type, qclass, ttl] = [
      bytes.readUInt16BE(name.end),
      bytes.readUInt16BE(name.end + 2),
      bytes.readUInt32BE(name.end + 4),
    ];
    const length = bytes.readUInt16BE(name.end + 8);
    const start = name.end + 10;
    at = start + length;
    if (type === 41) edns = { udpBytes: qclass, isDnssecOk: (ttl & 0x8000) !== 0 };
    else answers.push({ name: name.text, ttl, ...readData(bytes, type, start, length) });
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes behind the message`);
  const names = FLAGS.filter(([, bit]) => (flags & bit) !== 0).map(([name]) => name);
  return { id: bytes.readUInt16BE(0), flags: names, rcode: flags & 0xf, question, answers, edns };
}

function readData(bytes: Buffer, type: number, start: number, length: number): Pick<DecodedRecord, "type" | "data"> {
  const data = bytes.subarray(start, start + length);
  const name = Object.entries(TYPES).find(([, number]) => number === type)?.[0] ?? String(type);
  if (name === "CNAME") return { type: name, data: readName(bytes, start).text };
  return { type: name, data: name === "A" || name === "AAAA" ? (ipFromBytes(data) ?? "?") : data.toString("hex") };
}

function readName(bytes: Buffer, start: number): { readonly text: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  let end: number | undefined;
  for (;;) {
    const length = bytes.readUInt8(at);
    if (length >= 0xc0) {
      end ??= at + 2;
      const target = bytes.readUInt16BE(at) & 0x3fff;
      if (target >= at) throw new Error("a pointer leads forward");
      at = target;
    } else if (length === 0) {
      return { text: labels.join("."), end: end ?? at + 1 };
    } else {
      labels.push(bytes.toString("latin1", at + 1, at + 1 + length));
      at += 1 + length;
    }
  }
}
