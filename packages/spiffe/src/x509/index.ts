// SPDX-License-Identifier: Apache-2.0
/** Building blocks for those who make certificates: DER, extensions, signatures. Those who only use SVIDs don't need them. */
export { DerReader, TAG, constructedContextTag, contextTag, type DerElement } from "../asn1/reader.ts";
export { decodeBitOctets, decodeBits, decodeBoolean, decodeInteger, decodeOid, decodeTime } from "../asn1/values.ts";
export {
  der,
  derBitOctets,
  derBits,
  derBoolean,
  derInteger,
  derNull,
  derOctets,
  derOid,
  derSequence,
  derSet,
  derTime,
  derUtf8,
} from "../asn1/writer.ts";
export { OID } from "../asn1/oids.ts";
export { buildCertificate, keyIdentifier, type CertificateFields } from "./build.ts";
export { buildRevocationList, type RevocationListFields } from "./crl.ts";
export {
  KEY_USAGE,
  authorityKeyIdExtension,
  basicConstraintsExtension,
  extendedKeyUsageExtension,
  keyUsageExtension,
  subjectKeyIdExtension,
  type Extension,
} from "./extensions.ts";
export { encodeAlternativeNames, type AlternativeName } from "./general-names.ts";
export { parsePublicKey, publicKeyDer } from "./keys.ts";
export { encodeName, type NameParts } from "./names.ts";
export { isSignedBy, isSignedByInPool, signerFor, type SignedData, type Signer } from "./signature.ts";
