// SPDX-License-Identifier: Apache-2.0
import { OID } from "../asn1/oids.ts";
import { DerReader, TAG, constructedContextTag, contextTag } from "../asn1/reader.ts";
import { decodeBitOctets, decodeBoolean, decodeInteger, decodeTime } from "../asn1/values.ts";
import { der, derBitOctets, derInteger, derSequence, derTime } from "../asn1/writer.ts";
import { spiffeErrors } from "../errors.ts";
import { formatPem, parsePem } from "../pem.ts";
import { decodeExtensions, encodeExtension, type Extension } from "./extensions.ts";
import type { SignedData, Signer } from "./signature.ts";

/** One authority's list of certificates that are no longer good. Its signature is not checked yet. */
export interface RevocationList {
  /** DER of the issuer's Name. */
  readonly issuer: Buffer;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number | undefined;
  /** Decimal serial numbers. */
  readonly serialNumbers: ReadonlySet<string>;
  readonly signed: SignedData;
}

/** Above 100,000 entries; a ConfigMap holds a quarter of it. */
const MAX_CRL_BYTES = 4 * 1024 * 1024;
const MAX_LISTS = 256;

const invalid = (problem: string): Error => spiffeErrors.create("CRL_INVALID", `a revocation list ${problem}`);

const INDIRECT_CRL = contextTag(4);

/** Critical means: who does not understand must not use the list. Lists about some kinds of certificates still list revoked ones. */
function checkListExtensions(extensions: ReadonlyMap<string, Extension>): void {
  for (const { oid, isCritical, value } of extensions.values()) {
    if (oid === OID.DELTA_CRL_INDICATOR) throw invalid("holds only differences, which is not supported");
    if (!isCritical) continue;
    if (oid !== OID.ISSUING_DISTRIBUTION_POINT)
      throw invalid(`has the critical extension ${oid}, which is not supported`);
    const point = new DerReader(value, "an issuing distribution point").enter();
    while (!point.isAtEnd) {
      const part = point.read();
      if (part.tag === INDIRECT_CRL && decodeBoolean(part)) {
        throw invalid("lists certificates of other authorities, which is not supported");
      }
    }
  }
}

function readSerials(reader: DerReader): Set<string> {
  const serials = new Set<string>();
  while (!reader.isAtEnd) {
    const entry = reader.enter();
    serials.add(decodeInteger(entry.read(TAG.INTEGER)).toString());
    decodeTime(entry.read());
    const extensions = entry.optional(TAG.SEQUENCE);
    entry.end();
    if (extensions === undefined) continue;
    for (const { oid, isCritical } of decodeExtensions(extensions.open("a revocation list")).values()) {
      if (isCritical) throw invalid(`has an entry with the critical extension ${oid}, which is not supported`);
    }
  }
  return serials;
}

/** Reads one CertificateList in DER (RFC 5280 5.1). */
function parseList(bytes: Buffer): RevocationList {
  const outer = new DerReader(bytes, "a revocation list");
  const list = outer.enter();
  outer.end();
  const tbs = list.read(TAG.SEQUENCE);
  const algorithm = list.read(TAG.SEQUENCE).raw;
  const signature = decodeBitOctets(list.read(TAG.BIT_STRING));
  list.end();

  const reader = tbs.open("a revocation list");
  reader.optional(TAG.INTEGER);
  reader.read(TAG.SEQUENCE);
  const issuer = reader.read(TAG.SEQUENCE).raw;
  const thisUpdateMs = decodeTime(reader.read());
  const hasNextUpdate = reader.nextTag === TAG.UTC_TIME || reader.nextTag === TAG.GENERALIZED_TIME;
  const nextUpdateMs = hasNextUpdate ? decodeTime(reader.read()) : undefined;
  const revoked = reader.optional(TAG.SEQUENCE);
  const extensions = reader.optional(constructedContextTag(0));
  reader.end();
  if (extensions) checkListExtensions(decodeExtensions(extensions.open("a revocation list").enter()));
  return {
    issuer,
    thisUpdateMs,
    nextUpdateMs,
    serialNumbers: revoked ? readSerials(revoked.open("a revocation list")) : new Set(),
    signed: { data: tbs.raw, algorithm, signature },
  };
}

/**
 * All revocation lists of a PEM text, or the one in DER; none for an empty file. `what` names the source in error messages.
 * @throws MeshError PEM_INVALID, DER_INVALID, CRL_INVALID (too large, or of a kind whose meaning would be lost)
 */
export function parseRevocationLists(source: string | Uint8Array, what: string): RevocationList[] {
  if (source.length > MAX_CRL_BYTES) throw invalid(`in ${what} is larger than ${MAX_CRL_BYTES} bytes`);
  if (typeof source !== "string" && source[0] === TAG.SEQUENCE) return [parseList(Buffer.from(source))];
  const text = typeof source === "string" ? source : Buffer.from(source).toString("latin1");
  const blocks = parsePem(text, { what, maxBytes: MAX_CRL_BYTES }).filter(({ label }) => label === "X509 CRL");
  if (blocks.length === 0 && text.trim() !== "")
    throw invalid(`is not in ${what}, which is neither empty nor DER nor PEM`);
  if (blocks.length > MAX_LISTS) throw invalid(`is one of ${blocks.length} in ${what}; up to ${MAX_LISTS} are allowed`);
  return blocks.map((block) => parseList(block.der));
}

/** What a new revocation list says. */
export interface RevocationListFields {
  /** DER of the issuer's Name. */
  readonly issuer: Uint8Array;
  readonly thisUpdateMs: number;
  readonly nextUpdateMs: number;
  readonly revoked: readonly { readonly serialNumber: bigint; readonly revokedAtMs: number }[];
  readonly extensions: readonly Extension[];
}

/** A signed revocation list of version 2, PEM. */
export async function buildRevocationList(fields: RevocationListFields, signer: Signer): Promise<string> {
  const entries = fields.revoked.map((entry) =>
    derSequence(derInteger(entry.serialNumber), derTime(entry.revokedAtMs)),
  );
  const tbs = derSequence(
    derInteger(1),
    signer.algorithm,
    fields.issuer,
    derTime(fields.thisUpdateMs),
    derTime(fields.nextUpdateMs),
    // An empty list is left out (RFC 5280 5.1.2.6).
    ...(entries.length > 0 ? [derSequence(...entries)] : []),
    der(constructedContextTag(0), derSequence(...fields.extensions.map(encodeExtension))),
  );
  return formatPem("X509 CRL", derSequence(tbs, signer.algorithm, derBitOctets(await signer.sign(tbs))));
}
