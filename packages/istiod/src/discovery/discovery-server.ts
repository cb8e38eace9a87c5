// SPDX-License-Identifier: Apache-2.0
import { AUTHORIZATION_TYPE_URL } from "@ambientmesh/api/security";
import { ADDRESS_TYPE_URL } from "@ambientmesh/api/workload";
import type { Clock, Logger, Metrics } from "@ambientmesh/core";
import { XdsServer, type Authenticate, type Authorize, type ClientInfo, type ResourceCache } from "@ambientmesh/xds";
import type { CallAuthenticator } from "../authentication/call-authenticator.ts";
import type { Caller } from "../authentication/caller.ts";
import { refusedClaim } from "../authentication/node-claims.ts";
import { readProxyNode } from "../authentication/proxy-node.ts";
import { nodeKey } from "../model/names.ts";

/** The caller on the TLS port; nobody in particular on the plaintext port. */
export type ClientIdentity = Caller | undefined;

export interface DiscoveryServerDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly resources: ResourceCache;
}

export interface DiscoveryServerOptions {
  /** New streams per second. */
  readonly maxRequestsPerSecond: number;
}

/**
 * The xDS server of the mesh. Policies go out before workloads (in Istio after them): a workload that names a policy its
 * proxy doesn't know yet would be open for that moment.
 */
export function createDiscoveryServer(
  { clock, logger, metrics, resources }: DiscoveryServerDeps,
  { maxRequestsPerSecond }: DiscoveryServerOptions,
): XdsServer<ClientIdentity> {
  return new XdsServer<ClientIdentity>(
    { clock, log: logger, metrics },
    {
      types: [
        { typeUrl: AUTHORIZATION_TYPE_URL, source: resources.store(AUTHORIZATION_TYPE_URL) },
        { typeUrl: ADDRESS_TYPE_URL, source: resources.store(ADDRESS_TYPE_URL), implicitNames: ownNode },
      ],
      authorize: authorizeNode,
      newStreams: { perSecond: maxRequestsPerSecond },
    },
  );
}

/** Whether a client is what its first request says. */
export const authorizeNode: Authorize<ClientIdentity> = ({ node, identity }) => {
  const reading = readProxyNode(node.id, node.metadata);
  if (reading.kind === "invalid") return { outcome: "denied", reason: reading.problem };
  const refusal = identity && refusedClaim(identity, reading.node);
  return refusal === undefined ? { outcome: "allowed" } : { outcome: "denied", reason: refusal };
};

/** Who is at the other end of a stream on the TLS port. */
export function authenticateWith(calls: Pick<CallAuthenticator, "authenticate">): Authenticate<ClientIdentity> {
  return async (call) => {
    const authentication = await calls.authenticate(call);
    if (authentication.kind === "authenticated") return { outcome: "authenticated", identity: authentication.caller };
    const reason = authentication.kind === "refused" ? authentication.reason : authentication.error.message;
    return { outcome: "refused", reason };
  };
}

/** On the plaintext port nobody is asked; it is reachable on loopback only, unless somebody chose otherwise. */
export const authenticateNobody: Authenticate<ClientIdentity> = () => ({
  outcome: "authenticated",
  identity: undefined,
});

/** A node proxy that asks by name gets what is on its node without asking, as its pods can't wait for it. */
function ownNode({ node }: ClientInfo): string[] {
  const reading = readProxyNode(node.id, node.metadata);
  return reading.kind === "node" && reading.node.nodeName !== "" ? [nodeKey(reading.node.nodeName)] : [];
}
