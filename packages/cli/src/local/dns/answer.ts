// SPDX-License-Identifier: Apache-2.0
import { isIPv4 } from "node:net";
import { AUTHORITATIVE_ANSWER, RECURSION_DESIRED, decode, encode, type Answer, type Packet } from "dns-packet";
import { messageOf } from "@ambientmesh/core";
import { CLUSTER_DOMAIN } from "../topology.ts";
import { labelsInZone, type NameContent, type NameLookup } from "./records.ts";

/** As Kubernetes' DNS: short, since pods come and go. */
const TTL_SECONDS = 5;
/** RFC 1035, 4.2.1: what an answer over UDP may have when the question does not say more. */
const MAX_UDP_BYTES = 512;
/** RFC 1035, 4.2.2: the length of messages over TCP has two bytes. */
const MAX_TCP_BYTES = 65_535;
const HEADER_BYTES = 12;
const RESPONSE_BIT = 0x80;
const TRUNCATED = 1 << 9;
/** Of a plain query it is 0. */
const OPCODE_MASK = 0x7800;
const CODES = { noError: 0, formatError: 1, nameError: 3, notImplemented: 4, refused: 5 } as const;

/** How a question came. */
export type Transport = "udp" | "tcp";

/**
 * The answer to a DNS message: authoritative for the cluster's domain, REFUSED for every other name. Never throws,
 * whatever the bytes are.
 * @returns undefined for what is no question; nothing is to be sent then, so that two servers can't talk for ever
 */
export function answerMessage(message: Buffer, transport: Transport, lookup: NameLookup): Buffer | undefined {
  if (message.length < HEADER_BYTES || (message.readUInt8(2) & RESPONSE_BIT) !== 0) return undefined;
  const question = decodeQuestion(message);
  if ("problem" in question) return errorHeader(message, CODES.formatError);
  try {
    return fitted(question, answerQuestion(question, lookup), transport);
  } catch {
    // A name that decodes but can't be encoded again, as with a label of 64 bytes.
    return errorHeader(message, CODES.formatError);
  }
}

function decodeQuestion(message: Buffer): Packet | { readonly problem: string } {
  try {
    return decode(message);
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

type Answered = Pick<Packet, "answers" | "authorities"> & { readonly code: number };

function answerQuestion({ questions = [], flags = 0 }: Packet, lookup: NameLookup): Answered {
  const [question, ...more] = questions;
  if ((flags & OPCODE_MASK) !== 0) return { code: CODES.notImplemented };
  if (question === undefined || more.length > 0) return { code: CODES.formatError };
  const isOfInternet = question.class === undefined || question.class === "IN" || question.class === "ANY";
  if (!isOfInternet || labelsInZone(question.name) === undefined) return { code: CODES.refused };
  const content = lookup(question.name);
  const answers = recordsOf(question, content);
  const code = content.kind === "unknown" ? CODES.nameError : CODES.noError;
  return answers.length > 0 ? { code, answers } : { code, authorities: [startOfAuthority()] };
}

function recordsOf({ name, type }: { readonly name: string; readonly type: string }, content: NameContent): Answer[] {
  const common = { name, ttl: TTL_SECONDS } as const;
  switch (content.kind) {
    case "addresses":
      return content.addresses.flatMap((data): Answer[] => {
        const family = isIPv4(data) ? "A" : "AAAA";
        return type === family || type === "ANY" ? [{ ...common, type: family, data }] : [];
      });
    case "alias":
      return [{ ...common, type: "CNAME", data: content.target }];
    case "servers":
      return type !== "SRV" && type !== "ANY"
        ? []
        : content.servers.map(({ target, port }) => ({
            ...common,
            type: "SRV",
            data: { target, port, priority: 0, weight: 1 },
          }));
    case "empty":
    case "unknown":
      return [];
  }
}

/** How long a "no" may be remembered stands in the last field. */
function startOfAuthority(): Answer {
  return {
    name: CLUSTER_DOMAIN,
    type: "SOA",
    ttl: TTL_SECONDS,
    data: {
      mname: `ns.dns.${CLUSTER_DOMAIN}`,
      rname: `hostmaster.${CLUSTER_DOMAIN}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL_SECONDS,
    },
  };
}

/** An answer that is too long goes without its records and with the bit that says: ask again over TCP. */
function fitted(question: Packet, { code, ...records }: Answered, transport: Transport): Buffer {
  const wantsRecursion = (question.flags ?? 0) & RECURSION_DESIRED;
  const base: Packet = {
    type: "response",
    ...(question.id !== undefined && { id: question.id }),
    flags: AUTHORITATIVE_ANSWER | wantsRecursion | code,
    questions: question.questions ?? [],
  };
  const whole = encode({ ...base, ...records });
  if (whole.length <= maxBytes(question, transport)) return whole;
  return encode({ ...base, flags: (base.flags ?? 0) | TRUNCATED });
}

function maxBytes({ additionals = [] }: Packet, transport: Transport): number {
  if (transport === "tcp") return MAX_TCP_BYTES;
  const options = additionals.find((record) => record.type === "OPT");
  return Math.max(options?.udpPayloadSize ?? 0, MAX_UDP_BYTES);
}

/** The question's header as an answer with an error code, and nothing else. */
function errorHeader(message: Buffer, code: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  message.copy(header, 0, 0, 2);
  header.writeUInt8(RESPONSE_BIT | (message.readUInt8(2) & 0x79), 2);
  header.writeUInt8(code, 3);
  return header;
}
