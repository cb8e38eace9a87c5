// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { DerReader, TAG, constructedContextTag } from "../asn1/reader.ts";
import { derBitOctets, der, derInteger, derSequence, derTime } from "../asn1/writer.ts";
import { encodeExtension, type Extension } from "./extensions.ts";
import type { Signer } from "./signature.ts";

/** Everything a certificate says; nothing is added or checked. */
export interface CertificateFields {
  /** Positive, at most 20 octets (RFC 5280 4.1.2.2). */
  readonly serialNumber: bigint;
  /** DER of the issuer's and subject's Name. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds since 1970, cut to seconds. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly extensions: readonly Extension[];
}

/** DER of a signed certificate of version 3. */
export async function buildCertificate(fields: CertificateFields, signer: Signer): Promise<Buffer> {
  const tbs = derSequence(
    der(constructedContextTag(0), derInteger(2)),
    derInteger(fields.serialNumber),
    signer.algorithm,
    fields.issuer,
    derSequence(derTime(fields.notBeforeMs), derTime(fields.notAfterMs)),
    fields.subject,
    fields.publicKey,
    der(constructedContextTag(3), derSequence(...fields.extensions.map(encodeExtension))),
  );
  return derSequence(tbs, signer.algorithm, derBitOctets(await signer.sign(tbs)));
}

/** Key identifier of a SubjectPublicKeyInfo by RFC 7093, method 1: the first 160 bits of SHA-256 over the key's octets. */
export function keyIdentifier(publicKey: Uint8Array): Buffer {
  const reader = new DerReader(publicKey, "a public key").enter();
  reader.read(TAG.SEQUENCE);
  const { contents } = reader.read(TAG.BIT_STRING);
  return createHash("sha256").update(contents.subarray(1)).digest().subarray(0, 20);
}
