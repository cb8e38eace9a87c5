// SPDX-License-Identifier: Apache-2.0
import type { Duplex } from "node:stream";
import { messageOf, type DrainWatch } from "@ambientmesh/core";
import { HbonePool, type SecureLimits, type SecureOutcome, type TunnelTarget } from "@ambientmesh/hbone";
import { connectTls, type SpiffeId, type Svid } from "@ambientmesh/spiffe";
import { formatSocketAddress, type SocketAddress } from "../net/address.ts";
import { NO_IDENTITY } from "./failures.ts";
import type { PodSockets } from "./pod-sockets.ts";
import { CONNECT_TIMEOUT_MS, type SharedDeps } from "./shared-deps.ts";

/** A peer's HBONE listener, as one identity of the pod sees it. */
export interface PeerTarget extends TunnelTarget {
  readonly source: SpiffeId;
  readonly peer: SocketAddress;
}

/** Tunnels of different clients of a pod share a connection only if they come from one address of it. */
export function peerTarget(
  source: SpiffeId,
  expected: readonly SpiffeId[],
  peer: SocketAddress,
  sourceIp: string,
): PeerTarget {
  return { source, expected, peer, address: formatSocketAddress(peer), extra: sourceIp };
}

/** The outgoing tunnels of one pod. */
export function createTunnelPool(shared: SharedDeps, sockets: PodSockets, drain: DrainWatch): HbonePool<PeerTarget> {
  const { config, clock, buffers } = shared;
  return new HbonePool<PeerTarget>(
    {
      clock,
      buffers,
      drain,
      dial: ({ peer }, signal) => sockets.connect(peer, signal),
      secure: (raw, target, limits) => secureTunnel(shared, raw, target, limits),
    },
    {
      ...tunnelLimits(config),
      maxStreams: config.poolMaxStreams,
      idleMs: config.poolUnusedReleaseMs,
      dialTimeoutMs: CONNECT_TIMEOUT_MS,
    },
  );
}

/** The TLS handshake of a tunnel: with a certificate of the source, and a peer that is one of those expected. */
export async function secureTunnel(
  shared: Pick<SharedDeps, "certificates" | "tlsPolicy" | "revocation" | "clock">,
  raw: Duplex,
  { source, expected }: Pick<PeerTarget, "source" | "expected">,
  limits: SecureLimits,
): Promise<SecureOutcome> {
  const { certificates, tlsPolicy: policy, revocation, clock } = shared;
  let svid: Svid;
  try {
    svid = await certificates.get(source, { signal: limits.signal });
  } catch (error) {
    return { kind: "refused", reason: NO_IDENTITY, message: messageOf(error) };
  }
  return connectTls(raw, svid, { ...limits, expectedIds: expected, policy, revocation, clock });
}

const FIRST_WINDOW = 256 * 1024;

/** Windows and frames of both directions. Streams start with a small window that grows while their reader keeps up. */
export function tunnelLimits(config: SharedDeps["config"]): {
  readonly initialWindow: number;
  readonly maxWindow: number;
  readonly windowGrowth: number;
  readonly maxFrame: number;
} {
  return {
    initialWindow: Math.min(FIRST_WINDOW, config.windowSize),
    maxWindow: config.windowSize,
    windowGrowth: config.connectionWindowSize,
    maxFrame: config.frameSize,
  };
}
