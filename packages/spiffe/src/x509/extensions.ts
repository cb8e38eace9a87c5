// SPDX-License-Identifier: Apache-2.0
import { OID } from "../asn1/oids.ts";
import { DerReader, TAG, contextTag } from "../asn1/reader.ts";
import { decodeBits, decodeBoolean, decodeInteger, decodeOid } from "../asn1/values.ts";
import { der, derBits, derBoolean, derInteger, derOctets, derOid, derSequence } from "../asn1/writer.ts";
import { spiffeErrors } from "../errors.ts";
import { NO_NAMES, decodeAlternativeNames, type AlternativeNames } from "./general-names.ts";

/** One extension of a certificate, a request or a revocation list. */
export interface Extension {
  readonly oid: string;
  readonly isCritical: boolean;
  /** DER of what the extension says. */
  readonly value: Buffer;
}

/** Bit numbers of KeyUsage (RFC 5280 4.2.1.3). */
export const KEY_USAGE = { DIGITAL_SIGNATURE: 0, KEY_ENCIPHERMENT: 2, KEY_CERT_SIGN: 5, CRL_SIGN: 6 } as const;

/** What the extensions say that decide how a certificate may be used. */
export interface Usage {
  readonly names: AlternativeNames;
  readonly areNamesCritical: boolean;
  /** Undefined without the extension. */
  readonly keyUsage: readonly boolean[] | undefined;
  readonly isKeyUsageCritical: boolean;
  /** Dotted identifiers; undefined without the extension, which allows everything. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  readonly isCa: boolean;
  /** How many more CA certificates may follow; undefined without limit. */
  readonly pathLength: number | undefined;
  readonly subjectKeyId: Buffer | undefined;
  readonly authorityKeyId: Buffer | undefined;
}

/**
 * The extensions inside `Extensions ::= SEQUENCE OF Extension`, by identifier.
 * @throws MeshError DER_INVALID, CERTIFICATE_INVALID when one comes twice (RFC 5280 4.2 forbids it).
 */
export function decodeExtensions(reader: DerReader): ReadonlyMap<string, Extension> {
  const extensions = new Map<string, Extension>();
  while (!reader.isAtEnd) {
    const entry = reader.enter();
    const oid = decodeOid(entry.read(TAG.OID));
    const critical = entry.optional(TAG.BOOLEAN);
    const value = entry.read(TAG.OCTET_STRING).contents;
    entry.end();
    if (extensions.has(oid)) throw spiffeErrors.create("CERTIFICATE_INVALID", `extension ${oid} is there twice`);
    extensions.set(oid, { oid, isCritical: critical !== undefined && decodeBoolean(critical), value });
  }
  return extensions;
}

/** Reads one whole value and refuses anything behind it. */
function whole<T>(value: Buffer, what: string, read: (reader: DerReader) => T): T {
  const reader = new DerReader(value, what);
  const result = read(reader);
  reader.end();
  return result;
}

function decodeBasicConstraints(value: Buffer): { isCa: boolean; pathLength: number | undefined } {
  return whole(value, "the basic constraints", (outer) => {
    const reader = outer.enter();
    const isCa = reader.optional(TAG.BOOLEAN);
    const pathLength = reader.optional(TAG.INTEGER);
    reader.end();
    return {
      isCa: isCa !== undefined && decodeBoolean(isCa),
      pathLength: pathLength && Number(decodeInteger(pathLength)),
    };
  });
}

function decodeExtendedKeyUsage(value: Buffer): string[] {
  return whole(value, "the extended key usage", (outer) => {
    const reader = outer.enter();
    const purposes: string[] = [];
    while (!reader.isAtEnd) purposes.push(decodeOid(reader.read(TAG.OID)));
    return purposes;
  });
}

function decodeAuthorityKeyId(value: Buffer): Buffer | undefined {
  return whole(value, "the authority key identifier", (outer) => outer.enter().optional(contextTag(0))?.contents);
}

/** @throws MeshError DER_INVALID, CERTIFICATE_INVALID */
export function decodeUsage(extensions: ReadonlyMap<string, Extension>): Usage {
  const names = extensions.get(OID.SUBJECT_ALT_NAME);
  const keyUsage = extensions.get(OID.KEY_USAGE);
  const purposes = extensions.get(OID.EXTENDED_KEY_USAGE);
  const constraints = extensions.get(OID.BASIC_CONSTRAINTS);
  const subjectKey = extensions.get(OID.SUBJECT_KEY_ID);
  const authorityKey = extensions.get(OID.AUTHORITY_KEY_ID);
  const { isCa, pathLength } = constraints
    ? decodeBasicConstraints(constraints.value)
    : { isCa: false, pathLength: undefined };
  return {
    names: names ? decodeAlternativeNames(names.value) : NO_NAMES,
    areNamesCritical: names?.isCritical ?? false,
    keyUsage: keyUsage && whole(keyUsage.value, "the key usage", (reader) => decodeBits(reader.read(TAG.BIT_STRING))),
    isKeyUsageCritical: keyUsage?.isCritical ?? false,
    extendedKeyUsage: purposes && decodeExtendedKeyUsage(purposes.value),
    isCa,
    pathLength,
    subjectKeyId:
      subjectKey &&
      whole(subjectKey.value, "the subject key identifier", (reader) => reader.read(TAG.OCTET_STRING).contents),
    authorityKeyId: authorityKey && decodeAuthorityKeyId(authorityKey.value),
  };
}

/** DER of one extension. */
export function encodeExtension(extension: Extension): Buffer {
  return derSequence(
    derOid(extension.oid),
    // DEFAULT FALSE must not be written (X.690 11.5).
    ...(extension.isCritical ? [derBoolean(true)] : []),
    derOctets(extension.value),
  );
}

/** KeyUsage, critical as RFC 5280 wants it. */
export const keyUsageExtension = (bits: readonly number[]): Extension => ({
  oid: OID.KEY_USAGE,
  isCritical: true,
  value: derBits(bits),
});

/** Says what a key may be used for, by OID (RFC 5280 4.2.1.12). */
export const extendedKeyUsageExtension = (purposes: readonly string[]): Extension => ({
  oid: OID.EXTENDED_KEY_USAGE,
  isCritical: false,
  value: derSequence(...purposes.map(derOid)),
});

/** BasicConstraints, critical as RFC 5280 wants it for authorities and X.509-SVID allows for leaves. */
export const basicConstraintsExtension = (isCa: boolean, pathLength?: number): Extension => ({
  oid: OID.BASIC_CONSTRAINTS,
  isCritical: true,
  value: derSequence(
    ...(isCa ? [derBoolean(true)] : []),
    ...(pathLength === undefined ? [] : [derInteger(pathLength)]),
  ),
});

/** Names the key of the subject (RFC 5280 4.2.1.2). */
export const subjectKeyIdExtension = (id: Uint8Array): Extension => ({
  oid: OID.SUBJECT_KEY_ID,
  isCritical: false,
  value: derOctets(id),
});

/** Names the key of the issuer (RFC 5280 4.2.1.1). */
export const authorityKeyIdExtension = (id: Uint8Array): Extension => ({
  oid: OID.AUTHORITY_KEY_ID,
  isCritical: false,
  value: derSequence(der(contextTag(0), id)),
});
