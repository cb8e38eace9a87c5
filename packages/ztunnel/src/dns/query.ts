// SPDX-License-Identifier: Apache-2.0
import {
  CLASS_IN,
  DNSSEC_OK,
  FLAG,
  HEADER_BYTES,
  MAX_LABEL_BYTES,
  MAX_NAME_BYTES,
  PLAIN_UDP_BYTES,
  TYPE,
} from "./wire.ts";

/** What the client says of itself in an OPT record (RFC 6891). */
export interface Edns {
  readonly udpBytes: number;
  readonly isDnssecOk: boolean;
}

/** A question that this proxy could have the answer to. */
export interface AddressQuestion {
  readonly kind: "address";
  readonly id: number;
  /** Second 16 bits of the header. */
  readonly flags: number;
  /** In lower case, without the dot at the end. */
  readonly name: string;
  readonly family: 4 | 6;
  /** Where the question ends, counted from the start of the message. */
  readonly end: number;
  readonly edns: Edns | undefined;
}

/** What a message is to this proxy. */
export type Query =
  | AddressQuestion
  /** Anything else that a name server may understand: it is passed on as it is. */
  | { readonly kind: "other"; readonly id: number; readonly flags: number; readonly type: number | undefined }
  /** No question at all: too short, or an answer. Nobody must answer it, lest two servers answer each other for ever. */
  | { readonly kind: "none" };

/**
 * Reads a DNS message of a client. Never throws and reads each byte once at most: what is not plainly a question for the
 * addresses of a name is "other", however odd it is, because a name server may know better.
 */
export function parseQuery(message: Uint8Array): Query {
  if (message.length < HEADER_BYTES) return { kind: "none" };
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const [id, flags] = [view.getUint16(0), view.getUint16(2)];
  if ((flags & FLAG.RESPONSE) !== 0) return { kind: "none" };
  const question = view.getUint16(4) === 1 ? readQuestion(view) : undefined;
  const other = { kind: "other", id, flags, type: question?.type } as const;
  const isPlain = (flags & (FLAG.OPCODE | FLAG.TRUNCATED)) === 0 && view.getUint16(6) === 0 && view.getUint16(8) === 0;
  if (!question || !isPlain || question.qclass !== CLASS_IN) return other;
  const { type, name, end } = question;
  if (type !== TYPE.A && type !== TYPE.AAAA) return other;
  const additional = readAdditional(view, end);
  if (!additional) return other;
  return { kind: "address", id, flags, name, family: type === TYPE.A ? 4 : 6, end, edns: additional.edns };
}

interface Question {
  readonly name: string;
  readonly type: number;
  readonly qclass: number;
  readonly end: number;
}

function readQuestion(view: DataView): Question | undefined {
  const name = readName(view, HEADER_BYTES);
  if (!name || name.end + 4 > view.byteLength) return undefined;
  return { name: name.text, type: view.getUint16(name.end), qclass: view.getUint16(name.end + 2), end: name.end + 4 };
}

/** A name without compression, which has no place in the first question of a message. */
function readName(view: DataView, start: number): { readonly text: string; readonly end: number } | undefined {
  const labels: string[] = [];
  let at = start;
  while (at < view.byteLength && at - start < MAX_NAME_BYTES) {
    const length = view.getUint8(at++);
    if (length === 0) return { text: labels.join("."), end: at };
    if (length > MAX_LABEL_BYTES || at + length > view.byteLength) return undefined;
    const label = readLabel(view, at, length);
    if (label === undefined) return undefined;
    labels.push(label);
    at += length;
  }
  return undefined;
}

const [DOT, SPACE, DELETE] = [0x2e, 0x20, 0x7f];

/** A label of printable ASCII; one that holds a dot would be taken for two. */
function readLabel(view: DataView, start: number, length: number): string | undefined {
  let label = "";
  for (let at = start; at < start + length; at++) {
    const byte = view.getUint8(at);
    if (byte === DOT || byte <= SPACE || byte >= DELETE) return undefined;
    label += String.fromCharCode(byte);
  }
  return label.toLowerCase();
}

const OPT_BYTES = 11;

/** Nothing, or one OPT record of version 0 and nothing behind it; undefined for all else (signatures, for example). */
function readAdditional(view: DataView, start: number): { readonly edns: Edns | undefined } | undefined {
  const count = view.getUint16(10);
  if (count === 0) return start === view.byteLength ? { edns: undefined } : undefined;
  if (count !== 1 || start + OPT_BYTES > view.byteLength) return undefined;
  const isOpt = view.getUint8(start) === 0 && view.getUint16(start + 1) === TYPE.OPT && view.getUint8(start + 6) === 0;
  if (!isOpt || start + OPT_BYTES + view.getUint16(start + 9) !== view.byteLength) return undefined;
  const udpBytes = Math.max(view.getUint16(start + 3), PLAIN_UDP_BYTES);
  return { edns: { udpBytes, isDnssecOk: (view.getUint16(start + 7) & DNSSEC_OK) !== 0 } };
}
