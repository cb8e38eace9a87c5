// SPDX-License-Identifier: Apache-2.0
import { createPublicKey } from "node:crypto";
import { systemClock, type Clock } from "@ambientmesh/core";
import {
  generateKey,
  mergeTrustBundles,
  parseCertificate,
  parseTrustBundle,
  privateKeyPem,
  trustBundlePem,
  type Certificate,
  type KeyPair,
  type KeyType,
} from "@ambientmesh/spiffe";
import {
  KEY_USAGE,
  authorityKeyIdExtension,
  basicConstraintsExtension,
  buildCertificate,
  encodeName,
  keyIdentifier,
  keyUsageExtension,
  publicKeyDer,
  signerFor,
  subjectKeyIdExtension,
} from "@ambientmesh/spiffe/x509";
import type { AuthorityMaterial } from "./material.ts";
import { randomSerialNumber } from "./serial-number.ts";
import { readSigner } from "./signer.ts";

const DAY_SECONDS = 86_400;
/** Istio's CITADEL_SELF_SIGNED_CA_CERT_TTL: 10 years. */
const ROOT_TTL_SECONDS = 3650 * DAY_SECONDS;
const INTERMEDIATE_TTL_SECONDS = 365 * DAY_SECONDS;
/** Lets machines whose clocks are a little behind use a certificate at once. */
export const BACKDATE_MS = 120_000;

/** How a root or intermediate is made. */
export interface AuthorityOptions {
  /** Default "rsa-2048", as Istio's; "ecdsa-p256" signs ten times as fast. */
  readonly keyType?: KeyType;
  /** Default 10 years for a root, 1 year for an intermediate. */
  readonly ttlSeconds?: number;
  readonly clock?: Clock;
}

interface CertificateOptions {
  readonly subject: Uint8Array;
  readonly key: KeyPair;
  readonly notAfterMs: number;
  readonly nowMs: number;
  /** Who signs; itself if it is left out. */
  readonly parent?: AuthorityMaterial;
}

async function buildAuthority(options: CertificateOptions): Promise<Certificate> {
  const { subject, key, notAfterMs, nowMs } = options;
  const parent = options.parent && readSigner(options.parent);
  const publicKey = publicKeyDer(key.publicKey);
  const parentId = parent?.certificate.usage.subjectKeyId;
  const fields = {
    serialNumber: randomSerialNumber(),
    issuer: parent?.certificate.subject ?? subject,
    subject,
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs,
    publicKey,
    extensions: [
      basicConstraintsExtension(true, parent ? 0 : undefined),
      // Istio's root has only keyCertSign; without cRLSign strict peers would not take revocation lists from it.
      keyUsageExtension([KEY_USAGE.KEY_CERT_SIGN, KEY_USAGE.CRL_SIGN]),
      subjectKeyIdExtension(keyIdentifier(publicKey)),
      ...(parentId ? [authorityKeyIdExtension(parentId)] : []),
    ],
  };
  return parseCertificate(await buildCertificate(fields, parent?.signer ?? signerFor(key.privateKey)));
}

/** A new self-signed root, named after its organization, which in Istio is the trust domain. */
export async function createRoot(organization: string, options: AuthorityOptions = {}): Promise<AuthorityMaterial> {
  const { keyType = "rsa-2048", ttlSeconds = ROOT_TTL_SECONDS, clock = systemClock } = options;
  const key = await generateKey(keyType);
  const nowMs = clock.now();
  const subject = encodeName({ organization });
  const { pem } = await buildAuthority({ subject, key, nowMs, notAfterMs: nowMs + ttlSeconds * 1000 });
  return { certificatePem: pem, privateKeyPem: privateKeyPem(key.privateKey), chainPem: "", rootsPem: pem };
}

/** A new intermediate below `parent`, which may sign leaves only and expires no later than its parent. */
export async function createIntermediate(
  parent: AuthorityMaterial,
  commonName: string,
  options: AuthorityOptions = {},
): Promise<AuthorityMaterial> {
  const { keyType = "rsa-2048", ttlSeconds = INTERMEDIATE_TTL_SECONDS, clock = systemClock } = options;
  const { notAfterMs: latest, intermediatesPem, rootsPem } = readSigner(parent);
  const key = await generateKey(keyType);
  const nowMs = clock.now();
  const notAfterMs = Math.min(nowMs + ttlSeconds * 1000, latest);
  const { pem } = await buildAuthority({ subject: encodeName({ commonName }), key, nowMs, notAfterMs, parent });
  return {
    certificatePem: pem,
    privateKeyPem: privateKeyPem(key.privateKey),
    chainPem: intermediatesPem.join(""),
    rootsPem,
  };
}

/**
 * A new root certificate with the same name and key, as Istio renews its own: leaves of the old one are also good under the new one,
 * so nothing breaks however long the new one takes to spread. Older roots that have not expired stay in the bundle.
 */
export async function renewRoot(
  material: AuthorityMaterial,
  options: Omit<AuthorityOptions, "keyType"> = {},
): Promise<AuthorityMaterial> {
  const { ttlSeconds = ROOT_TTL_SECONDS, clock = systemClock } = options;
  const { certificate, privateKey, trustBundle } = readSigner(material);
  const nowMs = clock.now();
  const key = { privateKey, publicKey: createPublicKey(privateKey) };
  const renewed = await buildAuthority({
    subject: certificate.subject,
    key,
    nowMs,
    notAfterMs: nowMs + ttlSeconds * 1000,
  });
  const kept = trustBundle.roots.filter(({ notAfterMs }) => notAfterMs > nowMs);
  return { ...material, certificatePem: renewed.pem, rootsPem: [renewed, ...kept].map(({ pem }) => pem).join("") };
}

/**
 * The same authority that hands out further roots. To change to a root with another key without breaking a connection: first
 * `withRoots(old, next.rootsPem)` until every certificate was renewed and with it every bundle, then `withRoots(next, old.rootsPem)`
 * for as long again, then `next`.
 */
export function withRoots(material: AuthorityMaterial, rootsPem: string): AuthorityMaterial {
  const merged = mergeTrustBundles(parseTrustBundle(material.rootsPem), parseTrustBundle(rootsPem));
  return { ...material, rootsPem: trustBundlePem(merged) };
}

/** True in the last part of a certificate's life; Istio renews its root in the last 20 %. */
export function isRenewalDue(certificate: Certificate, nowMs: number, graceRatio = 0.2): boolean {
  const { notBeforeMs, notAfterMs } = certificate;
  return nowMs >= notAfterMs - (notAfterMs - notBeforeMs) * graceRatio;
}
