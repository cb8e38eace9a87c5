// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from "node:net";
import { DerReader, TAG, contextTag, constructedContextTag } from "../asn1/reader.ts";
import { der, derSequence } from "../asn1/writer.ts";
import { spiffeErrors } from "../errors.ts";

/** The names of a SubjectAltName that programs compare; other kinds are checked for form and dropped. */
export interface AlternativeNames {
  readonly uris: readonly string[];
  readonly dnsNames: readonly string[];
  /** IP addresses as 4 or 16 octets. */
  readonly ipAddresses: readonly Buffer[];
  /** How many names of other kinds there are; they never identify anybody. */
  readonly otherCount: number;
}

export const NO_NAMES: AlternativeNames = { uris: [], dnsNames: [], ipAddresses: [], otherCount: 0 };

const OTHER_NAME = constructedContextTag(0);
const EMAIL = contextTag(1);
const DNS_NAME = contextTag(2);
const X400_ADDRESS = constructedContextTag(3);
const DIRECTORY_NAME = constructedContextTag(4);
const EDI_PARTY_NAME = constructedContextTag(5);
const URI = contextTag(6);
const IP_ADDRESS = contextTag(7);
const REGISTERED_ID = contextTag(8);
const WITHOUT_TEXT: ReadonlySet<number> = new Set([X400_ADDRESS, DIRECTORY_NAME, EDI_PARTY_NAME, REGISTERED_ID]);

const PRINTABLE = /^[\x21-\x7e]+$/;

const invalid = (problem: string): Error =>
  spiffeErrors.create("CERTIFICATE_INVALID", `a subject alternative name ${problem}`);

/** IA5String without control characters and blanks: a NUL in a name ends it early for C programs (CVE-2009-2408 and many after). */
function text(contents: Buffer): string {
  const name = contents.toString("latin1");
  if (!PRINTABLE.test(name)) throw invalid("is empty or holds bytes that are not printable ASCII");
  return name;
}

/** RFC 5280 4.2.1.6. Its value is free, but one with a NUL has only ever been an attack (CVE-2025-66220). */
function checkOtherName(contents: Buffer): void {
  const reader = new DerReader(contents, "an otherName");
  reader.read(TAG.OID);
  const value = reader.enter(constructedContextTag(0)).read();
  reader.end();
  const isText = value.tag === TAG.UTF8_STRING || value.tag === TAG.IA5_STRING || value.tag === TAG.PRINTABLE_STRING;
  if (isText && value.contents.includes(0)) throw invalid("of kind otherName holds a NUL byte");
}

/**
 * The names inside a SubjectAltName extension.
 * @throws MeshError DER_INVALID, CERTIFICATE_INVALID for names that are not printable ASCII.
 */
export function decodeAlternativeNames(value: Buffer): AlternativeNames {
  const outer = new DerReader(value, "a subject alternative name extension");
  const reader = outer.enter();
  outer.end();
  const uris: string[] = [];
  const dnsNames: string[] = [];
  const ipAddresses: Buffer[] = [];
  let otherCount = 0;
  while (!reader.isAtEnd) {
    const { tag, contents } = reader.read();
    if (tag === URI) uris.push(text(contents));
    else if (tag === DNS_NAME) dnsNames.push(text(contents));
    else if (tag === IP_ADDRESS && (contents.length === 4 || contents.length === 16)) ipAddresses.push(contents);
    else {
      if (tag === OTHER_NAME) checkOtherName(contents);
      else if (tag === EMAIL) text(contents);
      else if (!WITHOUT_TEXT.has(tag)) throw invalid(`has the unknown tag 0x${tag.toString(16)}`);
      otherCount++;
    }
  }
  return { uris, dnsNames, ipAddresses, otherCount };
}

/** A name to put into a certificate. */
export type AlternativeName = { readonly uri: string } | { readonly dnsName: string } | { readonly ipAddress: string };

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  if (!isIPv6(address) || address.includes("%"))
    throw invalid(`can't be made of ${JSON.stringify(address)}: it is no IP address`);
  // The URL parser writes IPv6 in its canonical form, which has at most one "::" and no dotted part.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const groups = (part: string): string[] => (part === "" ? [] : part.split(":"));
  const [left, right] = [groups(head), groups(tail ?? "")];
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => "0");
  return Buffer.from([...left, ...zeros, ...right].map((group) => group.padStart(4, "0")).join(""), "hex");
}

/**
 * The value of a SubjectAltName extension.
 * @throws MeshError CERTIFICATE_INVALID for a name that is not printable ASCII or no address.
 */
export function encodeAlternativeNames(names: readonly AlternativeName[]): Buffer {
  return derSequence(
    ...names.map((name) => {
      if ("ipAddress" in name) return der(IP_ADDRESS, addressBytes(name.ipAddress));
      const bytes = Buffer.from("uri" in name ? name.uri : name.dnsName, "utf8");
      text(bytes);
      return der("uri" in name ? URI : DNS_NAME, bytes);
    }),
  );
}
