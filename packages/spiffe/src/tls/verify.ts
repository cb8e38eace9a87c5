// SPDX-License-Identifier: Apache-2.0
import type { PeerCertificate, TLSSocket } from "node:tls";
import { messageOf } from "@ambientmesh/core";
import { trustDomainOf, type SpiffeId } from "../id/spiffe-id.ts";
import type { RevocationSource } from "../revocation/revocation-set.ts";
import { identityOf } from "../svid/profile.ts";
import type { TrustBundle } from "../svid/trust-bundle.ts";
import { parseCertificate, type Certificate } from "../x509/certificate.ts";
import { buildPath } from "../x509/path.ts";
import { presentedByClient, presentedByServer, type Presented } from "./presented.ts";

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

/** Who a peer is, or why it is nobody. */
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

/** Lets in whoever is of the trust domain. */
function acceptTrustDomain(trustDomain: string): (id: SpiffeId) => PeerVerdict | undefined {
  return (id) =>
    trustDomainOf(id) === trustDomain
      ? undefined
      : refused("wrong-trust-domain", `${id} is not of the trust domain ${trustDomain}`);
}

/** Lets in exactly these. */
function acceptIds(expectedIds: readonly string[]): (id: SpiffeId) => PeerVerdict | undefined {
  return (id) =>
    expectedIds.includes(id)
      ? undefined
      : refused(
          "unexpected-identity",
          `${id} is none of the expected ${expectedIds.slice(0, 5).join(", ") || "(nobody)"}`,
        );
}

function checkRevocation(peer: VerifiedPeer, presented: Presented, check: RevocationCheck): PeerVerdict {
  const intermediates = [...presented.rest()].map((der) => parseCertificate(der));
  const path = buildPath(peer.certificate, intermediates, check.trustBundle.roots);
  if (path === undefined) {
    return refused("untrusted", `the path from the certificate of ${peer.id} to a root can't be found again`);
  }
  const revoked = check.source.current.findRevoked(path);
  if (revoked === undefined) return { kind: "verified", peer: { ...peer, path } };
  const whose = revoked === peer.certificate ? `of ${peer.id}` : `of an authority above ${peer.id}`;
  return refused("revoked", `certificate ${revoked.serialNumber} ${whose} was revoked`);
}

type Accepts = (id: SpiffeId) => PeerVerdict | undefined;

function judgeCertificate(
  presented: Presented,
  accepts: Accepts,
  revocation: RevocationCheck | undefined,
): PeerVerdict {
  const certificate = parseCertificate(presented.leaf);
  const identity = identityOf(certificate);
  if (identity.kind === "invalid") {
    return refused("invalid-certificate", `certificate ${certificate.serialNumber} is no SVID: ${identity.problem}`);
  }
  const peer = { id: identity.id, certificate };
  const refusal = accepts(identity.id);
  if (refusal !== undefined) return refusal;
  return revocation === undefined ? { kind: "verified", peer } : checkRevocation(peer, presented, revocation);
}

/** Judges a good chain by what its leaf says and, if asked to, whether any of it was revoked. */
function judge(presented: Presented, accepts: Accepts, revocation: RevocationCheck | undefined): PeerVerdict {
  try {
    return judgeCertificate(presented, accepts, revocation);
  } catch (error) {
    return refused("invalid-certificate", messageOf(error));
  }
}

/** What a client expects of a server. */
export interface ServerExpectation {
  /** Who it may be: any of these ids. Nobody, if there is none. */
  readonly expectedIds: readonly string[];
  readonly revocation?: RevocationCheck;
}

/** Judges the server's certificate inside `checkServerIdentity`, where the chain is known to be good and nothing was sent yet. */
export function judgeServer(certificate: PeerCertificate, { expectedIds, revocation }: ServerExpectation): PeerVerdict {
  return judge(presentedByServer(certificate), acceptIds(expectedIds), revocation);
}

/** Refused unless Node has asked OpenSSL for its verdict on the whole chain: signatures, validity, constraints and purpose. */
function unauthorized(socket: TLSSocket): PeerVerdict | undefined {
  return socket.authorized ? undefined : refusedChain(String(socket.authorizationError ?? "it was not checked"));
}

/**
 * Who the client at the other end of an accepted connection is. The socket must come from a `tls.Server` with
 * {@link serverTlsOptions}: a bare `new TLSSocket(raw, { isServer: true })` never learns whether the chain was good, and is refused.
 * To check revocation below intermediates prefer {@link acceptTls}: Node.js 24.21 hides the intermediates from here, and then nobody is let in.
 */
export function verifyClient(
  socket: TLSSocket,
  options: { readonly trustDomain: string; readonly revocation?: RevocationCheck },
): PeerVerdict {
  const presented = presentedByClient(socket);
  if (presented === undefined) return refused("no-certificate", "the client presented no certificate");
  return unauthorized(socket) ?? judge(presented, acceptTrustDomain(options.trustDomain), options.revocation);
}

/** Whether the server at the other end of a connection of `tls.connect` is one of those that were meant. Host names play no part. */
export function verifyServer(socket: TLSSocket, expectation: ServerExpectation): PeerVerdict {
  const leaf = socket.getPeerCertificate(expectation.revocation !== undefined) as Partial<PeerCertificate>;
  if (leaf.raw === undefined) return refused("no-certificate", "the server's certificate is not there any more");
  return unauthorized(socket) ?? judgeServer(leaf as PeerCertificate, expectation);
}
