// SPDX-License-Identifier: Apache-2.0
import type { VerifiedPeer } from "@ambientmesh/spiffe";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import type { MeshError } from "@ambientmesh/core";
import { hboneErrors, type HboneErrorCode } from "./errors.ts";
import type { ConnectionInfo } from "./tunnel/tunnel-info.ts";

/** How a handshake ended. `connectTls` and `acceptTls` of the package spiffe return exactly this. */
export type SecureOutcome =
  | { readonly kind: "established"; readonly socket: Duplex; readonly peer: VerifiedPeer }
  | { readonly kind: "refused"; readonly reason: string; readonly message: string };

/** What a handshake has to respect. */
export interface SecureLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Reasons of the package spiffe that are about who the peer is. */
const IDENTITY_REASONS: ReadonlySet<string> = new Set(["wrong-trust-domain", "unexpected-identity", "revoked"]);

/** The error for a handshake that was refused. */
export function refusedHandshakeError(peer: string, refused: Extract<SecureOutcome, { kind: "refused" }>): MeshError {
  const { reason, message } = refused;
  return hboneErrors.create(codeOf(reason), `no tunnel with ${peer}: ${message}`, {
    details: { peer, reason, ...(reason === "timeout" && { phase: "tls" }) },
  });
}

function codeOf(reason: string): HboneErrorCode {
  if (reason === "timeout") return "HBONE_TIMEOUT";
  return IDENTITY_REASONS.has(reason) ? "HBONE_PEER_REFUSED" : "HBONE_TLS_FAILED";
}

/**
 * Makes a transport that was handed over ready for a handshake. Small frames must not wait for the acknowledgement of earlier
 * ones (Nagle's algorithm), and an error before the handshake has listeners of its own must not end the process: both ends
 * hear of it by 'close'.
 */
export function prepareTransport(raw: Duplex): void {
  raw.on("error", () => raw.destroy());
  if (raw instanceof Socket) raw.setNoDelay(true);
}

/** Describes the connection on `raw`; asked before the handshake too, as a closed socket has no addresses any more. */
export function describeConnection(raw: Duplex, secured: Duplex, peer: VerifiedPeer): ConnectionInfo {
  const socket = raw as Partial<Socket>;
  const tls = secured instanceof TLSSocket ? secured : undefined;
  return {
    peer,
    remoteAddress: socket.remoteAddress,
    remotePort: socket.remotePort,
    localAddress: socket.localAddress,
    localPort: socket.localPort,
    tlsVersion: tls?.getProtocol() ?? undefined,
    cipherSuite: tls?.getCipher().name,
  };
}
