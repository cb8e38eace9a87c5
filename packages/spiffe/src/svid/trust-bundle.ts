// SPDX-License-Identifier: Apache-2.0
import { spiffeErrors } from "../errors.ts";
import { OID } from "../asn1/oids.ts";
import { parseCertificates, type Certificate } from "../x509/certificate.ts";

/** The roots of a trust domain. Several are there while roots change, so that both sides keep trusting each other. */
export interface TrustBundle {
  /** At least one; each once, in the order they were given. */
  readonly roots: readonly Certificate[];
}

/**
 * A bundle of these roots; equal ones are taken once.
 * @throws MeshError TRUST_BUNDLE_INVALID if there is none, or one says that it is no authority.
 */
export function createTrustBundle(roots: readonly Certificate[], what = "a trust bundle"): TrustBundle {
  const unique = new Map(roots.map((root) => [root.der.toString("latin1"), root]));
  if (unique.size === 0) throw spiffeErrors.create("TRUST_BUNDLE_INVALID", `${what} holds no root certificate`);
  for (const root of unique.values()) {
    // Roots of version 1 have no extensions and can't say what they are.
    if (root.extensions.has(OID.BASIC_CONSTRAINTS) && !root.usage.isCa) {
      throw spiffeErrors.create(
        "TRUST_BUNDLE_INVALID",
        `${what} holds certificate ${root.serialNumber}, which is not a certificate authority's`,
      );
    }
  }
  return { roots: [...unique.values()] };
}

/**
 * The roots of a PEM text with one or several certificates, or of one in DER. `what` names the source in error messages.
 * @throws MeshError PEM_INVALID, DER_INVALID, CERTIFICATE_INVALID, TRUST_BUNDLE_INVALID
 */
export function parseTrustBundle(source: string | Uint8Array, what = "a trust bundle"): TrustBundle {
  return createTrustBundle(parseCertificates(source, what), what);
}

/** All roots of all bundles, each once. */
export function mergeTrustBundles(...bundles: readonly TrustBundle[]): TrustBundle {
  return createTrustBundle(bundles.flatMap(({ roots }) => roots));
}

/** The roots as one PEM text. */
export function trustBundlePem(bundle: TrustBundle): string {
  return bundle.roots.map(({ pem }) => pem).join("");
}
