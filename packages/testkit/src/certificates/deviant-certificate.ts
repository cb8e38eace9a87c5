// SPDX-License-Identifier: Apache-2.0
import type { AuthorityMaterial } from "@ambientmesh/ca";
import {
  formatPem,
  generateKey,
  parseCertificates,
  parsePrivateKey,
  privateKeyPem,
  type Certificate,
  type Extension,
} from "@ambientmesh/spiffe";
import {
  KEY_USAGE,
  OID,
  buildCertificate,
  der,
  derSequence,
  encodeName,
  extendedKeyUsageExtension,
  keyUsageExtension,
  publicKeyDer,
  signerFor,
} from "@ambientmesh/spiffe/x509";

/** Tags of names in a SubjectAltName. */
export const NAME_TAG = { OTHER: 0xa0, DNS: 0x82, URI: 0x86 } as const;

/** What a deviant certificate says; everything left out is as in a good one. */
export interface Deviation {
  /** Elements of the SubjectAltName, each as tag and contents, free of all rules. */
  readonly names?: readonly (readonly [tag: number, contents: Uint8Array | string])[];
  /** Identifiers of the extended key usage. */
  readonly purposes?: readonly string[];
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly serialNumber?: bigint;
  /** In place of the key usage. */
  readonly extensions?: readonly Extension[];
}

/** PEM texts as `node:tls` takes them. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** A certificate signed by `material` that need not follow any rule. */
export async function deviantCertificate(
  material: AuthorityMaterial,
  deviation: Deviation,
): Promise<TlsFiles & { readonly der: Buffer }> {
  const [issuer] = parseCertificates(material.certificatePem, "the test authority") as [Certificate];
  const { privateKey, publicKey } = await generateKey("ecdsa-p256");
  const {
    names = [[NAME_TAG.URI, "spiffe://cluster.local/ns/default/sa/default"]],
    purposes = [OID.SERVER_AUTH, OID.CLIENT_AUTH],
    notBeforeMs = issuer.notBeforeMs,
    notAfterMs = issuer.notAfterMs,
    serialNumber = 4711n,
    extensions = [keyUsageExtension([KEY_USAGE.DIGITAL_SIGNATURE])],
  } = deviation;
  const san = derSequence(
    ...names.map(([tag, contents]) =>
      der(tag, typeof contents === "string" ? Buffer.from(contents, "latin1") : contents),
    ),
  );
  const fields = {
    serialNumber,
    issuer: issuer.subject,
    subject: encodeName({}),
    notBeforeMs,
    notAfterMs,
    publicKey: publicKeyDer(publicKey),
    extensions: [
      ...extensions,
      ...(purposes.length > 0 ? [extendedKeyUsageExtension(purposes)] : []),
      { oid: OID.SUBJECT_ALT_NAME, isCritical: true, value: san },
    ],
  };
  const signer = signerFor(parsePrivateKey(material.privateKeyPem, "the test authority's key"));
  const bytes = await buildCertificate(fields, signer);
  return { der: bytes, cert: formatPem("CERTIFICATE", bytes), key: privateKeyPem(privateKey), ca: material.rootsPem };
}
