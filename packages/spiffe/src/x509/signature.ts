// SPDX-License-Identifier: Apache-2.0
import { constants, sign, verify, type KeyObject, type VerifyKeyObjectInput } from "node:crypto";
import { OID } from "../asn1/oids.ts";
import { DerReader, TAG, constructedContextTag } from "../asn1/reader.ts";
import { decodeInteger, decodeOid } from "../asn1/values.ts";
import { derNull, derOid, derSequence } from "../asn1/writer.ts";
import { spiffeErrors } from "../errors.ts";

interface Scheme {
  /** Hash as node:crypto names it; null where the scheme hashes by itself. */
  readonly hash: string | null;
  /** Values of `KeyObject.asymmetricKeyType` that may make such signatures. */
  readonly keyTypes: readonly string[];
  /** Present for RSASSA-PSS. */
  readonly saltLength?: number;
}

// SHA-1 and MD5 are left out on purpose: collisions are practical.
const SCHEMES: Readonly<Record<string, Scheme>> = {
  [OID.RSA_SHA256]: { hash: "sha256", keyTypes: ["rsa"] },
  [OID.RSA_SHA384]: { hash: "sha384", keyTypes: ["rsa"] },
  [OID.RSA_SHA512]: { hash: "sha512", keyTypes: ["rsa"] },
  [OID.ECDSA_SHA256]: { hash: "sha256", keyTypes: ["ec"] },
  [OID.ECDSA_SHA384]: { hash: "sha384", keyTypes: ["ec"] },
  [OID.ECDSA_SHA512]: { hash: "sha512", keyTypes: ["ec"] },
  [OID.ED25519]: { hash: null, keyTypes: ["ed25519"] },
  [OID.ED448]: { hash: null, keyTypes: ["ed448"] },
  [OID.ML_DSA_44]: { hash: null, keyTypes: ["ml-dsa-44"] },
  [OID.ML_DSA_65]: { hash: null, keyTypes: ["ml-dsa-65"] },
  [OID.ML_DSA_87]: { hash: null, keyTypes: ["ml-dsa-87"] },
};

const PSS_HASHES: Readonly<Record<string, string>> = {
  [OID.SHA256]: "sha256",
  [OID.SHA384]: "sha384",
  [OID.SHA512]: "sha512",
};

/** Bytes that were signed, with what says how. */
export interface SignedData {
  readonly data: Buffer;
  /** DER of the AlgorithmIdentifier. */
  readonly algorithm: Buffer;
  readonly signature: Buffer;
}

/** RSASSA-PSS-params (RFC 4055 3.1) with one hash for everything; its SHA-1 defaults are refused. */
function pssScheme(parameters: DerReader): Scheme {
  const hash = decodeOid(parameters.enter(constructedContextTag(0)).enter().read(TAG.OID));
  const mask = parameters.enter(constructedContextTag(1)).enter();
  const isMgf1 = decodeOid(mask.read(TAG.OID)) === OID.MGF1;
  const maskHash = decodeOid(mask.enter().read(TAG.OID));
  const saltLength = Number(decodeInteger(parameters.enter(constructedContextTag(2)).read(TAG.INTEGER)));
  const name = PSS_HASHES[hash];
  if (name === undefined || !isMgf1 || maskHash !== hash || saltLength < 0 || saltLength > 512) {
    throw spiffeErrors.create(
      "KEY_UNSUPPORTED",
      "RSASSA-PSS is supported with SHA-2, MGF1 over the same hash and a salt",
    );
  }
  return { hash: name, keyTypes: ["rsa", "rsa-pss"], saltLength };
}

function schemeOf(algorithm: Buffer): Scheme {
  const reader = new DerReader(algorithm, "a signature algorithm").enter();
  const oid = decodeOid(reader.read(TAG.OID));
  const scheme = oid === OID.RSA_PSS ? pssScheme(reader.enter()) : SCHEMES[oid];
  if (scheme === undefined)
    throw spiffeErrors.create("KEY_UNSUPPORTED", `signatures of algorithm ${oid} are not supported`);
  return scheme;
}

/** What node:crypto needs to check a signature of this scheme with this key. */
function verification(
  { algorithm }: SignedData,
  key: KeyObject,
): { hash: string | null; verifier: KeyObject | VerifyKeyObjectInput } {
  const { hash, keyTypes, saltLength } = schemeOf(algorithm);
  const keyType = key.asymmetricKeyType ?? "unknown";
  if (!keyTypes.includes(keyType)) {
    throw spiffeErrors.create("KEY_UNSUPPORTED", `a key of type ${keyType} can't have made this kind of signature`);
  }
  // A key inside of an object takes Node 24 half as long again, so only what needs options comes in one.
  const pss = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return { hash, verifier: saltLength === undefined ? key : pss };
}

/**
 * Whether `key` made the signature.
 * @throws MeshError KEY_UNSUPPORTED for an algorithm that is unknown or weak, or does not fit the key.
 */
export function isSignedBy(signed: SignedData, key: KeyObject): boolean {
  const { hash, verifier } = verification(signed, key);
  return verify(hash, signed.data, verifier, signed.signature);
}

/** {@link isSignedBy} in the thread pool, for servers whose event loop must not stop. */
export async function isSignedByInPool(signed: SignedData, key: KeyObject): Promise<boolean> {
  const { hash, verifier } = verification(signed, key);
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  verify(hash, signed.data, verifier, signed.signature, (error, isValid) => (error ? reject(error) : resolve(isValid)));
  return promise;
}

/** How a key signs certificates, requests and revocation lists. */
export interface Signer {
  /** DER of the AlgorithmIdentifier. */
  readonly algorithm: Buffer;
  /** Runs in the thread pool. */
  sign(data: Buffer): Promise<Buffer>;
}

// RFC 5480: the hash is as strong as the curve.
const EC_SCHEMES: Readonly<Record<string, { readonly oid: string; readonly hash: string }>> = {
  prime256v1: { oid: OID.ECDSA_SHA256, hash: "sha256" },
  secp384r1: { oid: OID.ECDSA_SHA384, hash: "sha384" },
  secp521r1: { oid: OID.ECDSA_SHA512, hash: "sha512" },
};

function signingScheme(key: KeyObject): { algorithm: Buffer; hash: string | null } {
  const type = key.asymmetricKeyType;
  // RFC 4055: RSA has a NULL parameter, the others have none (RFC 5758, RFC 8410).
  if (type === "rsa") return { algorithm: derSequence(derOid(OID.RSA_SHA256), derNull()), hash: "sha256" };
  if (type === "ed25519") return { algorithm: derSequence(derOid(OID.ED25519)), hash: null };
  const scheme = EC_SCHEMES[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (type === "ec" && scheme !== undefined) return { algorithm: derSequence(derOid(scheme.oid)), hash: scheme.hash };
  throw spiffeErrors.create(
    "KEY_UNSUPPORTED",
    `can't sign with a key of type ${type ?? "unknown"}: use RSA, P-256, P-384, P-521 or Ed25519`,
  );
}

/**
 * A signer for a private key: RSA with SHA-256 (PKCS #1 v1.5), ECDSA with the hash of the curve's strength, Ed25519.
 * @throws MeshError KEY_UNSUPPORTED
 */
export function signerFor(key: KeyObject): Signer {
  const { algorithm, hash } = signingScheme(key);
  return {
    algorithm,
    sign: async (data) => {
      const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
      sign(hash, data, key, (error, signature) => (error ? reject(error) : resolve(signature)));
      return promise;
    },
  };
}
