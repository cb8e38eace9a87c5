// SPDX-License-Identifier: Apache-2.0
import { OID } from "../asn1/oids.ts";
import { isSpiffeId, type SpiffeId } from "../id/spiffe-id.ts";
import type { Certificate } from "../x509/certificate.ts";
import { KEY_USAGE } from "../x509/extensions.ts";

/** Who a certificate names, or why it names nobody. */
export type CertificateIdentity =
  | { readonly kind: "identity"; readonly id: SpiffeId }
  | { readonly kind: "invalid"; readonly problem: string };

const invalid = (problem: string): CertificateIdentity => ({ kind: "invalid", problem });

/**
 * The SPIFFE id of a leaf. X.509-SVID 2 and 5.2: exactly one URI, and no authority's certificate. With two URIs a peer could show
 * one to the check of its trust domain and another to the policy, so none of them counts.
 */
export function identityOf(certificate: Certificate): CertificateIdentity {
  const { names, isCa } = certificate.usage;
  const [uri] = names.uris;
  if (uri === undefined) return invalid("it has no URI in its subject alternative names");
  if (names.uris.length > 1)
    return invalid(`it has ${names.uris.length} URIs in its subject alternative names instead of one`);
  if (isCa) return invalid("it belongs to a certificate authority");
  if (!isSpiffeId(uri))
    return invalid(`its URI ${JSON.stringify(uri.slice(0, 300))} is no SPIFFE id of a service account`);
  return { kind: "identity", id: uri };
}

const EMPTY_NAME = Buffer.of(0x30, 0);

/** Each rule of X.509-SVID 4 that the leaf breaks, as a sentence's end ("has ..."); empty for a conforming one. */
export function svidProblems(certificate: Certificate): readonly string[] {
  const { usage, subject } = certificate;
  const identity = identityOf(certificate);
  const { keyUsage, extendedKeyUsage } = usage;
  const rules: readonly (readonly [boolean, string])[] = [
    [identity.kind === "invalid", identity.kind === "invalid" ? identity.problem : ""],
    [
      subject.equals(EMPTY_NAME) && !usage.areNamesCritical,
      "its subject is empty and its subject alternative names are not critical",
    ],
    [keyUsage === undefined, "it has no key usage"],
    [keyUsage !== undefined && !usage.isKeyUsageCritical, "its key usage is not critical"],
    [keyUsage !== undefined && keyUsage[KEY_USAGE.DIGITAL_SIGNATURE] !== true, "its key usage lacks digitalSignature"],
    [
      keyUsage?.[KEY_USAGE.KEY_CERT_SIGN] === true || keyUsage?.[KEY_USAGE.CRL_SIGN] === true,
      "its key usage allows signing certificates or revocation lists",
    ],
    [
      extendedKeyUsage !== undefined &&
        !extendedKeyUsage.includes(OID.ANY_EXTENDED_KEY_USAGE) &&
        !(extendedKeyUsage.includes(OID.SERVER_AUTH) && extendedKeyUsage.includes(OID.CLIENT_AUTH)),
      "its extended key usage lacks serverAuth or clientAuth",
    ],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, problem]) => problem);
}
