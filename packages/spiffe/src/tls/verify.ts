// SPDX-License-Identifier: Apache-2.0
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { messageOf } from "@ambientmesh/core";
import { trustDomainOf, type SpiffeId } from "../id/spiffe-id.ts";
import type { RevocationSource } from "../revocation/revocation-set.ts";
import { identityOf } from "../svid/profile.ts";
import type { TrustBundle } from "../svid/trust-bundle.ts";
import { parseCertificate, type Certificate } from "../x509/certificate.ts";
import { buildPath } from "../x509/path.ts";

/** Why a peer is refused; stable, for logs and metrics. */
export type PeerRefusalReason =
  | "no-certificate"
  | "untrusted"
  | "expired"
  | "not-yet-valid"
  | "invalid-certificate"
  | "wrong-trust-domain"
  | "unexpected-identity"
  | "revoked";

/** Somebody whose certificate led to a trusted root in a finished handshake. */
export interface VerifiedPeer {
  readonly id: SpiffeId;
  readonly certificate: Certificate;
  /**
   * Leaf to root; only there when revocation was checked. Keep it and ask `source.current.findRevoked(path)` again
   * when the source changes, and once right after the connection was entered where that change would find it.
   */
  readonly path?: readonly Certificate[];
}

export type PeerVerdict =
  | { readonly kind: "verified"; readonly peer: VerifiedPeer }
  | { readonly kind: "refused"; readonly reason: PeerRefusalReason; readonly message: string };

/** Checks of certificates against lists of revoked ones. */
export interface RevocationCheck {
  readonly source: RevocationSource;
  /** The roots the handshake trusted. */
  readonly trustBundle: TrustBundle;
}

const refused = (reason: PeerRefusalReason, message: string): PeerVerdict => ({ kind: "refused", reason, message });

const OPENSSL_REASONS: Readonly<Record<string, PeerRefusalReason>> = {
  CERT_HAS_EXPIRED: "expired",
  CERT_NOT_YET_VALID: "not-yet-valid",
};

/** The verdict for a chain that OpenSSL refused with this code ("CERT_HAS_EXPIRED"). */
export function refusedChain(code: string): PeerVerdict {
  return refused(OPENSSL_REASONS[code] ?? "untrusted", `the certificate chain was refused: ${code}`);
}

/** Judges the leaf of a trusted chain by what it says. */
export function judgeLeaf(leaf: Uint8Array, accepts: (id: SpiffeId) => PeerVerdict | undefined): PeerVerdict {
  let certificate: Certificate;
  try {
    certificate = parseCertificate(leaf);
  } catch (error) {
    return refused("invalid-certificate", messageOf(error));
  }
  const identity = identityOf(certificate);
  if (identity.kind === "invalid") {
    return refused("invalid-certificate", `certificate ${certificate.serialNumber} is no SVID: ${identity.problem}`);
  }
  return accepts(identity.id) ?? { kind: "verified", peer: { id: identity.id, certificate } };
}

/** Lets in whoever is of the trust domain. */
export function acceptTrustDomain(trustDomain: string): (id: SpiffeId) => PeerVerdict | undefined {
  return (id) =>
    trustDomainOf(id) === trustDomain
      ? undefined
      : refused("wrong-trust-domain", `${id} is not of the trust domain ${trustDomain}`);
}

/** Lets in exactly these. */
export function acceptIds(expectedIds: readonly string[]): (id: SpiffeId) => PeerVerdict | undefined {
  return (id) =>
    expectedIds.includes(id)
      ? undefined
      : refused(
          "unexpected-identity",
          `${id} is none of the expected ${expectedIds.slice(0, 5).join(", ") || "(nobody)"}`,
        );
}

/** What the peer sent behind its leaf. */
function sentIntermediates(leaf: X509Certificate): Certificate[] {
  const intermediates: Certificate[] = [];
  for (let next = leaf.issuerCertificate; next !== undefined; next = next.issuerCertificate) {
    intermediates.push(parseCertificate(next.raw));
    // More than any real chain; OpenSSL's own limit for verified chains is 100.
    if (intermediates.length >= 16) break;
  }
  return intermediates;
}

function checkRevocation(peer: VerifiedPeer, leaf: X509Certificate, check: RevocationCheck): PeerVerdict {
  const path = buildPath(peer.certificate, sentIntermediates(leaf), check.trustBundle.roots);
  if (path === undefined)
    return refused("untrusted", `the path from the certificate of ${peer.id} to a root can't be found again`);
  const revoked = check.source.current.findRevoked(path);
  if (revoked === undefined) return { kind: "verified", peer: { ...peer, path } };
  const whose = revoked === peer.certificate ? `of ${peer.id}` : `of an authority above ${peer.id}`;
  return refused("revoked", `certificate ${revoked.serialNumber} ${whose} was revoked`);
}

function verify(
  socket: TLSSocket,
  accepts: (id: SpiffeId) => PeerVerdict | undefined,
  revocation: RevocationCheck | undefined,
): PeerVerdict {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return refused("no-certificate", "the peer presented no certificate");
  // True only after Node asked OpenSSL for the result of the whole chain: signatures, validity, constraints and purpose.
  if (!socket.authorized) return refusedChain(String(socket.authorizationError ?? "it was not checked"));
  const verdict = judgeLeaf(leaf.raw, accepts);
  if (verdict.kind === "refused" || revocation === undefined) return verdict;
  try {
    return checkRevocation(verdict.peer, leaf, revocation);
  } catch (error) {
    return refused("invalid-certificate", `revocation could not be checked: ${messageOf(error)}`);
  }
}

/**
 * Who the client at the other end of an accepted connection is. The socket must come from a `tls.Server` with
 * {@link serverTlsOptions}: a bare `new TLSSocket(raw, { isServer: true })` never learns whether the chain was good, and is refused.
 */
export function verifyClient(
  socket: TLSSocket,
  options: { readonly trustDomain: string; readonly revocation?: RevocationCheck },
): PeerVerdict {
  return verify(socket, acceptTrustDomain(options.trustDomain), options.revocation);
}

/** Whether the server at the other end of a connection is one of those that were meant. Host names play no part. */
export function verifyServer(
  socket: TLSSocket,
  options: { readonly expectedIds: readonly string[]; readonly revocation?: RevocationCheck },
): PeerVerdict {
  return verify(socket, acceptIds(options.expectedIds), options.revocation);
}
