// SPDX-License-Identifier: Apache-2.0
import type { HbonePool, HboneServer } from "@ambientmesh/hbone";
import type { RevocationSet, VerifiedPeer } from "@ambientmesh/spiffe";
import { ztunnelErrors } from "../errors.ts";
import type { TunnelEnds } from "./inbound.ts";
import type { PeerTarget } from "./tunnel-pool.ts";

/** Ends the tunnels of peers whose certificate has been revoked since they were let in. */
export function cutRevoked(
  lists: RevocationSet,
  { pool, server }: { readonly pool: HbonePool<PeerTarget>; readonly server: HboneServer<TunnelEnds> },
): void {
  const tunnels = [...[...pool.connections()].map(({ connection }) => connection), ...server.connections];
  for (const tunnel of tunnels) {
    const { peer } = tunnel.info;
    const revoked = revokedSerial(lists, peer);
    if (revoked === undefined) continue;
    tunnel.abort(
      ztunnelErrors.create(
        "ZTUNNEL_PEER_REVOKED",
        `the certificate ${revoked} of ${peer.id} or its authority was revoked`,
      ),
    );
  }
}

function revokedSerial(lists: RevocationSet, { path }: VerifiedPeer): string | undefined {
  return path && lists.findRevoked(path)?.serialNumber;
}
