// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import {
  buildPath,
  parseCertificates,
  parsePrivateKey,
  parseTrustBundle,
  trustBundlePem,
  type Certificate,
  type TrustBundle,
} from "@ambientmesh/spiffe";
import { KEY_USAGE, signerFor, type Signer } from "@ambientmesh/spiffe/x509";
import { caErrors } from "../errors.ts";
import type { AuthorityMaterial } from "./material.ts";

/** Material that was read, checked and made ready to sign. */
export interface AuthoritySigner {
  readonly material: AuthorityMaterial;
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
  readonly signer: Signer;
  readonly trustBundle: TrustBundle;
  /** {@link TrustBundle.roots} as one PEM text. */
  readonly rootsPem: string;
  /** What leaves are followed by, one PEM text each: from the signing certificate up to below the root; none if a root signs. */
  readonly intermediatesPem: readonly string[];
  /** When the first certificate of the path from here to the root expires; ms since 1970. */
  readonly notAfterMs: number;
}

const invalid = (problem: string, cause?: unknown): Error =>
  caErrors.create("CA_MATERIAL_INVALID", `the certificate authority can't be used: ${problem}`, { cause });

function checkMayIssue({ usage, serialNumber }: Certificate): void {
  if (!usage.isCa)
    throw invalid(`its certificate ${serialNumber} is not an authority's (basicConstraints CA is not set)`);
  if (usage.keyUsage !== undefined && usage.keyUsage[KEY_USAGE.KEY_CERT_SIGN] !== true) {
    throw invalid(`the key usage of its certificate ${serialNumber} lacks keyCertSign`);
  }
}

/**
 * Reads material and checks that key, certificate, chain and roots belong together.
 * @throws MeshError CA_MATERIAL_INVALID, or PEM_INVALID, DER_INVALID, CERTIFICATE_INVALID, KEY_INVALID, KEY_UNSUPPORTED, TRUST_BUNDLE_INVALID
 */
export function readSigner(material: AuthorityMaterial): AuthoritySigner {
  const [certificate, ...attached] = parseCertificates(material.certificatePem, "the authority's certificate");
  if (certificate === undefined) throw invalid("it has no certificate");
  const privateKey = parsePrivateKey(material.privateKeyPem, "the authority's key");
  const chain = material.chainPem.trim() === "" ? [] : parseCertificates(material.chainPem, "the authority's chain");
  const trustBundle = parseTrustBundle(material.rootsPem, "the authority's roots");
  checkMayIssue(certificate);
  if (!certificate.x509.checkPrivateKey(privateKey))
    throw invalid("its private key does not belong to its certificate");
  const path = buildPath(certificate, [...attached, ...chain], trustBundle.roots);
  if (path === undefined) throw invalid("its chain does not lead from its certificate to any of its roots");
  path.forEach(checkMayIssue);
  return {
    material,
    certificate,
    privateKey,
    signer: signerFor(privateKey),
    trustBundle,
    rootsPem: trustBundlePem(trustBundle),
    intermediatesPem: path.slice(0, -1).map(({ pem }) => pem),
    notAfterMs: Math.min(...path.map(({ notAfterMs }) => notAfterMs)),
  };
}
