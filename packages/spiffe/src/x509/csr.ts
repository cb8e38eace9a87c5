// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import { OID } from "../asn1/oids.ts";
import { DerReader, TAG, constructedContextTag } from "../asn1/reader.ts";
import { decodeBitOctets, decodeInteger, decodeOid } from "../asn1/values.ts";
import { der, derBitOctets, derInteger, derOid, derSequence, derSet } from "../asn1/writer.ts";
import { spiffeErrors } from "../errors.ts";
import type { SpiffeId } from "../id/spiffe-id.ts";
import { formatPem, parsePem } from "../pem.ts";
import { decodeExtensions, encodeExtension } from "./extensions.ts";
import { NO_NAMES, decodeAlternativeNames, encodeAlternativeNames, type AlternativeNames } from "./general-names.ts";
import { generateKey, parsePublicKey, publicKeyDer, type KeyPair, type KeyType } from "./keys.ts";
import { encodeName, hasCommonName } from "./names.ts";
import { isSignedByInPool, signerFor } from "./signature.ts";

/** A request for a certificate and the key that only its maker holds. */
export interface CertificateRequest {
  /** PKCS#10, PEM. */
  readonly csrPem: string;
  readonly privateKey: KeyObject;
}

/**
 * A request as Istio's node proxy makes it: empty subject and exactly one extension, a critical SubjectAltName with one URI.
 * (Some authorities refuse an empty subject whose SubjectAltName is not critical, as RFC 5280 4.2.1.6 tells them to.)
 */
export async function createCsr(options: {
  readonly id: SpiffeId;
  /** Default "ecdsa-p256". */
  readonly keyType?: KeyType | undefined;
  /** Default: a new key. */
  readonly key?: KeyPair;
}): Promise<CertificateRequest> {
  const { privateKey, publicKey } = options.key ?? (await generateKey(options.keyType ?? "ecdsa-p256"));
  const extension = encodeExtension({
    oid: OID.SUBJECT_ALT_NAME,
    isCritical: true,
    value: encodeAlternativeNames([{ uri: options.id }]),
  });
  const attribute = derSequence(derOid(OID.EXTENSION_REQUEST), derSet(derSequence(extension)));
  const info = derSequence(
    derInteger(0),
    encodeName({}),
    publicKeyDer(publicKey),
    der(constructedContextTag(0), attribute),
  );
  const signer = signerFor(privateKey);
  const csr = derSequence(info, signer.algorithm, derBitOctets(await signer.sign(info)));
  return { csrPem: formatPem("CERTIFICATE REQUEST", csr), privateKey };
}

/** A request whose signature was checked. What it asks for is the wish of a stranger. */
export interface ParsedCsr {
  readonly publicKey: KeyObject;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKeyDer: Buffer;
  readonly hasCommonName: boolean;
  /** Names asked for; an authority takes names from authentication instead. */
  readonly names: AlternativeNames;
}

/** A request for a 16384-bit RSA key has 5 kB. */
const MAX_CSR_BYTES = 16 * 1024;
const RSA_BITS = { min: 2048, max: 8192 } as const;
/** Larger exponents only serve to make verification slow. */
const MAX_RSA_EXPONENT = 2n ** 32n;
const EC_PUBLIC_KEY = "1.2.840.10045.2.1";

const invalid = (problem: string): Error => spiffeErrors.create("CSR_INVALID", `the certificate request ${problem}`);

/** Curves are named, never spelled out: explicit parameters let a stranger choose the arithmetic (CVE-2020-0601, CVE-2022-0778). */
function checkCurveIsNamed(spki: Buffer): void {
  const algorithm = new DerReader(spki, "a public key").enter().enter();
  const isCurve = decodeOid(algorithm.read(TAG.OID)) === EC_PUBLIC_KEY;
  if (isCurve && algorithm.nextTag !== TAG.OID) throw invalid("has a key on a curve without a name");
}

function checkStrength(key: KeyObject): void {
  // Asking for the details takes a tenth of the whole request's time, so other keys are not asked.
  if (key.asymmetricKeyType !== "rsa" && key.asymmetricKeyType !== "rsa-pss") return;
  const { modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < RSA_BITS.min || modulusLength > RSA_BITS.max) {
    throw invalid(`has an RSA key of ${modulusLength} bits; ${RSA_BITS.min} to ${RSA_BITS.max} are allowed`);
  }
  if (publicExponent !== undefined && publicExponent > MAX_RSA_EXPONENT)
    throw invalid("has an RSA key with a huge exponent");
}

function requestedNames(attributes: DerReader): AlternativeNames {
  let names: AlternativeNames | undefined;
  while (!attributes.isAtEnd) {
    const attribute = attributes.enter();
    const oid = decodeOid(attribute.read(TAG.OID));
    const values = attribute.enter(TAG.SET);
    attribute.end();
    if (oid !== OID.EXTENSION_REQUEST) continue;
    if (names !== undefined) throw invalid("has two lists of extensions");
    const san = decodeExtensions(values.enter()).get(OID.SUBJECT_ALT_NAME);
    names = san ? decodeAlternativeNames(san.value) : NO_NAMES;
    values.end();
  }
  return names ?? NO_NAMES;
}

function toDer(pem: string, maxBytes: number): Buffer {
  const blocks = parsePem(pem, { what: "the certificate request", maxBytes });
  const [block] = blocks;
  const isRequest = block?.label === "CERTIFICATE REQUEST" || block?.label === "NEW CERTIFICATE REQUEST";
  if (block === undefined || blocks.length > 1 || !isRequest) throw invalid("is not exactly one PEM block of its kind");
  return block.der;
}

/**
 * Reads a PKCS#10 request (RFC 2986) and checks that it is signed by the key inside, which proves that the sender has that key.
 * @throws MeshError PEM_INVALID, DER_INVALID, CSR_INVALID, CERTIFICATE_INVALID (a name), KEY_UNSUPPORTED
 */
export async function parseCsr(pem: string, options: { readonly maxBytes?: number } = {}): Promise<ParsedCsr> {
  const outer = new DerReader(toDer(pem, options.maxBytes ?? MAX_CSR_BYTES), "the certificate request");
  const request = outer.enter();
  outer.end();
  const info = request.read(TAG.SEQUENCE);
  const algorithm = request.read(TAG.SEQUENCE).raw;
  const signature = decodeBitOctets(request.read(TAG.BIT_STRING));
  request.end();

  const reader = info.open("the certificate request");
  if (decodeInteger(reader.read(TAG.INTEGER)) !== 0n) throw invalid("has a version other than 1");
  const subject = reader.read(TAG.SEQUENCE).raw;
  const spki = reader.read(TAG.SEQUENCE).raw;
  const attributes = reader.optional(constructedContextTag(0));
  reader.end();

  checkCurveIsNamed(spki);
  const publicKey = parsePublicKey(spki);
  checkStrength(publicKey);
  const names = attributes ? requestedNames(attributes.open("the certificate request")) : NO_NAMES;
  if (!(await isSignedByInPool({ data: info.raw, algorithm, signature }, publicKey))) {
    throw invalid("is not signed by its own key");
  }
  return { publicKey, publicKeyDer: Buffer.from(spki), hasCommonName: hasCommonName(subject), names };
}
