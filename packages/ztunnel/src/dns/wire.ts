// SPDX-License-Identifier: Apache-2.0

/** Numbers of DNS messages (RFC 1035 section 4, RFC 3596, RFC 6891). */
export const HEADER_BYTES = 12;
/** Of a UDP answer to somebody who does not say that he takes more. */
export const PLAIN_UDP_BYTES = 512;
/** Of any message: TCP's length prefix has two bytes. */
export const MAX_MESSAGE_BYTES = 65_535;
/** Of a name, and of one of its labels. */
export const MAX_NAME_BYTES = 255;
export const MAX_LABEL_BYTES = 63;

export const TYPE = { A: 1, CNAME: 5, AAAA: 28, OPT: 41 } as const;
export const CLASS_IN = 1;

/** Bits of the second 16 bits of a header. */
export const FLAG = { RESPONSE: 0x8000, OPCODE: 0x7800, AUTHORITATIVE: 0x0400, TRUNCATED: 0x0200 } as const;
export const RECURSION = { DESIRED: 0x0100, AVAILABLE: 0x0080 } as const;
export const CHECKING_DISABLED = 0x0010;
export const RCODE = { NO_ERROR: 0, SERVER_FAILURE: 2 } as const;
export const RCODE_MASK = 0x000f;
/** In the time-to-live of an OPT record: the sender understands DNSSEC. */
export const DNSSEC_OK = 0x8000;

const TYPE_NAMES: Readonly<Record<number, string>> = {
  1: "a",
  2: "ns",
  5: "cname",
  6: "soa",
  12: "ptr",
  15: "mx",
  16: "txt",
  28: "aaaa",
  33: "srv",
  35: "naptr",
  43: "ds",
  48: "dnskey",
  64: "svcb",
  65: "https",
  252: "axfr",
  255: "any",
};

/** For labels of metrics: lower case, and one name for all that is rare, so that nobody can invent series. */
export function typeName(type: number | undefined): string {
  return (type !== undefined && TYPE_NAMES[type]) || "other";
}
