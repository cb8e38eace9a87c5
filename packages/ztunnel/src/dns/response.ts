// SPDX-License-Identifier: Apache-2.0
import { familyOf, ipToBytes, type Ip } from "../net/address.ts";
import type { AddressQuestion } from "./query.ts";
import {
  CHECKING_DISABLED,
  CLASS_IN,
  DNSSEC_OK,
  FLAG,
  HEADER_BYTES,
  PLAIN_UDP_BYTES,
  RCODE,
  RCODE_MASK,
  RECURSION,
  TYPE,
} from "./wire.ts";

/** How long an answer may be kept (ztunnel, Istio 1.31). */
const TTL_SECONDS = 30;
const OPT_BYTES = 11;
/** Pointer to the name of the question, which follows the header (RFC 1035 section 4.1.4). */
const QUESTION_NAME = 0xc000 | HEADER_BYTES;

/** The addresses of a name, of the family that was asked for. */
export interface AddressAnswer {
  /** The name they belong to, if that is another than the one in the question. */
  readonly canonicalName: string | undefined;
  readonly addresses: readonly Ip[];
}

/** The longest answer that the client of a UDP question takes. */
export function udpLimit({ edns }: AddressQuestion): number {
  return edns?.udpBytes ?? PLAIN_UDP_BYTES;
}

/** An authoritative answer of at most `maxBytes`; addresses that do not fit are left out, and it says so. */
export function encodeAnswer(
  message: Uint8Array,
  question: AddressQuestion,
  { canonicalName, addresses }: AddressAnswer,
  maxBytes: number,
): Buffer {
  const records: Buffer[] = [];
  let owner = QUESTION_NAME;
  let length = question.end + (question.edns ? OPT_BYTES : 0);
  if (canonicalName !== undefined) {
    const alias = record(QUESTION_NAME, TYPE.CNAME, encodeName(canonicalName));
    owner = 0xc000 | (question.end + alias.length - encodeName(canonicalName).length);
    records.push(alias);
    length += alias.length;
  }
  let isTruncated = false;
  for (const ip of addresses) {
    const address = record(owner, familyOf(ip) === 4 ? TYPE.A : TYPE.AAAA, ipToBytes(ip));
    isTruncated = length + address.length > maxBytes;
    if (isTruncated) break;
    length += address.length;
    records.push(address);
  }
  const flags = FLAG.AUTHORITATIVE | (isTruncated ? FLAG.TRUNCATED : 0) | RCODE.NO_ERROR;
  return assemble(message, question, { flags, records });
}

/** Says that the answer could not be found out. */
export function encodeFailure(message: Uint8Array, question: AddressQuestion): Buffer {
  return assemble(message, question, { flags: RCODE.SERVER_FAILURE, records: [] });
}

/** The same for a message that was only passed on; its question is repeated as far as it is one. */
export function encodeForwardFailure(message: Uint8Array): Buffer {
  const header = Buffer.from(message.subarray(0, HEADER_BYTES));
  const kept = FLAG.OPCODE | RECURSION.DESIRED | CHECKING_DISABLED;
  header.writeUInt16BE(
    ((header.readUInt16BE(2) & kept) | FLAG.RESPONSE | RECURSION.AVAILABLE | RCODE.SERVER_FAILURE) & 0xffff,
    2,
  );
  // No sections: where the question ends is not known for what was not understood.
  header.fill(0, 4);
  return header;
}

function assemble(
  message: Uint8Array,
  { flags, end, edns }: AddressQuestion,
  answer: { readonly flags: number; readonly records: readonly Buffer[] },
): Buffer {
  const header = Buffer.from(message.subarray(0, end));
  const kept = flags & (RECURSION.DESIRED | CHECKING_DISABLED);
  header.writeUInt16BE(kept | FLAG.RESPONSE | RECURSION.AVAILABLE | answer.flags, 2);
  header.writeUInt16BE(answer.records.length, 6);
  header.writeUInt16BE(0, 8);
  header.writeUInt16BE(edns ? 1 : 0, 10);
  return Buffer.concat([header, ...answer.records, ...(edns ? [optRecord(edns)] : [])]);
}

function record(owner: number, type: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(12);
  head.writeUInt16BE(owner, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(CLASS_IN, 4);
  head.writeUInt32BE(TTL_SECONDS, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function optRecord({ udpBytes, isDnssecOk }: NonNullable<AddressQuestion["edns"]>): Buffer {
  const opt = Buffer.alloc(OPT_BYTES);
  opt.writeUInt16BE(TYPE.OPT, 1);
  opt.writeUInt16BE(udpBytes, 3);
  opt.writeUInt16BE(isDnssecOk ? DNSSEC_OK : 0, 7);
  return opt;
}

function encodeName(name: string): Buffer {
  const labels = name.split(".").map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.from([0])]);
}

/** Whether a name server's message says that it failed. */
export function isFailure(message: Uint8Array): boolean {
  return message.length < HEADER_BYTES || ((message[3] as number) & RCODE_MASK) === RCODE.SERVER_FAILURE;
}
