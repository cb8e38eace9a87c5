// SPDX-License-Identifier: Apache-2.0
import type { KeyObject } from "node:crypto";
import { spiffeErrors } from "../errors.ts";
import type { SpiffeId } from "../id/spiffe-id.ts";
import { parseCertificates, type Certificate } from "../x509/certificate.ts";
import { buildPath } from "../x509/path.ts";
import { identityOf } from "./profile.ts";
import { parseTrustBundle, type TrustBundle } from "./trust-bundle.ts";

/** A workload's certificate with its key and the roots it trusts. Immutable: renewal makes a new object. */
export interface Svid {
  readonly id: SpiffeId;
  /** Leaf, then intermediates; never a root. */
  readonly certificateChain: readonly [leaf: Certificate, ...intermediates: Certificate[]];
  readonly privateKey: KeyObject;
  readonly trustBundle: TrustBundle;
  /** Milliseconds since 1970. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** What an {@link Svid} is made of. */
export interface SvidParts {
  readonly certificates: readonly Certificate[];
  readonly privateKey: KeyObject;
  readonly trustBundle: TrustBundle;
}

/**
 * Puts certificate, key and roots together and checks that they belong together, so that a mistake shows here and not in each handshake.
 * @throws MeshError SVID_INVALID if the leaf has no single SPIFFE id or no path to the roots, KEY_INVALID if the key is another one's.
 */
export function createSvid({ certificates, privateKey, trustBundle }: SvidParts): Svid {
  const [leaf, ...rest] = certificates;
  if (leaf === undefined) throw spiffeErrors.create("SVID_INVALID", "an SVID needs a certificate");
  const identity = identityOf(leaf);
  if (identity.kind === "invalid") {
    throw spiffeErrors.create("SVID_INVALID", `certificate ${leaf.serialNumber} is no SVID: ${identity.problem}`);
  }
  const { id } = identity;
  if (!leaf.x509.checkPrivateKey(privateKey)) {
    throw spiffeErrors.create("KEY_INVALID", `the private key beside the certificate of ${id} does not belong to it`);
  }
  const intermediates = rest.filter((certificate) => !trustBundle.roots.some((root) => root.equals(certificate)));
  if (buildPath(leaf, intermediates, trustBundle.roots) === undefined) {
    throw spiffeErrors.create(
      "SVID_INVALID",
      `the certificate of ${id} does not lead to any root of its own trust bundle`,
    );
  }
  return {
    id,
    certificateChain: [leaf, ...intermediates],
    privateKey,
    trustBundle,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
  };
}

/**
 * The SVID from an answer of Istio's certificate service: the leaf, any intermediates, and last the root bundle.
 * @throws MeshError SVID_INVALID unless there are two elements at least and the leaf names `id`; what {@link createSvid} throws.
 */
export function svidFromIssuedChain(issued: {
  readonly id: SpiffeId;
  /** PEM texts, as in `IstioCertificateResponse.cert_chain`. */
  readonly chain: readonly string[];
  readonly privateKey: KeyObject;
}): Svid {
  const { id, chain, privateKey } = issued;
  const roots = chain.at(-1);
  if (roots === undefined || chain.length < 2) {
    throw spiffeErrors.create(
      "SVID_INVALID",
      `the answer for ${id} has ${chain.length} elements; leaf and roots are needed`,
    );
  }
  const certificates = chain.slice(0, -1).flatMap((pem) => parseCertificates(pem, `the certificate of ${id}`));
  const svid = createSvid({
    certificates,
    privateKey,
    trustBundle: parseTrustBundle(roots, `the root bundle for ${id}`),
  });
  if (svid.id !== id) throw spiffeErrors.create("SVID_INVALID", `asked for ${id}, got a certificate of ${svid.id}`);
  return svid;
}
