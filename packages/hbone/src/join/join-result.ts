// SPDX-License-Identifier: Apache-2.0
import type { MeshError } from "@ambientmesh/core";

/**
 * How a joined tunnel ended:
 * - "both-closed": both sides sent their FIN, or the peer was done with both directions
 * - "app-reset": the connection with the app broke
 * - "peer-reset": the peer reset the stream, for instance because its app's connection broke
 * - "tunnel-failed": the HTTP/2 connection under the tunnel ended
 * - "aborted": by `TunnelJoin.abort`
 */
export type JoinEnd = "both-closed" | "app-reset" | "peer-reset" | "tunnel-failed" | "aborted";

/** The end of a joined tunnel, for access logs and metrics. */
export interface JoinResult {
  readonly end: JoinEnd;
  /** Who ended it, or ended it first. */
  readonly closedBy: "app" | "peer" | "us";
  /** Octets from the app that were handed to the tunnel. */
  readonly bytesToPeer: number;
  /** Octets from the peer that were handed to the app's socket. */
  readonly bytesFromPeer: number;
  /** What broke, unless both sides closed in order. */
  readonly error: MeshError | undefined;
}
