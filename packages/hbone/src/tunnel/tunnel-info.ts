// SPDX-License-Identifier: Apache-2.0
import type { VerifiedPeer } from "@ambientmesh/spiffe";

/** Where a tunnel's connection comes from and goes to. */
export interface ConnectionInfo {
  /** Who the peer proved to be. */
  readonly peer: VerifiedPeer;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  /** "TLSv1.3", and OpenSSL's name of the cipher suite; undefined for transports without TLS. */
  readonly tlsVersion: string | undefined;
  readonly cipherSuite: string | undefined;
}

/** A {@link ConnectionInfo} and what the CONNECT asked for. */
export interface TunnelInfo extends ConnectionInfo {
  /** `host:port` of the CONNECT. */
  readonly authority: string;
}
