// SPDX-License-Identifier: Apache-2.0
import type { Clock, Logger, Metrics } from "@ambientmesh/core";
import { DeltaClient, GrpcTransport, deltaType } from "@ambientmesh/xds";
import type { ControlPlaneConfig, ZtunnelConfig } from "../config/model.ts";
import type { MeshState } from "../state/mesh-state.ts";
import { readRoots, readToken } from "./credentials.ts";
import { nodeOf } from "./node.ts";
import { addressType, policyType } from "./resource-types.ts";

export interface DiscoveryDeps {
  readonly state: MeshState;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Follows the control plane and keeps the state as it says; `start` resolves after the first complete state. */
export function createDiscovery(deps: DiscoveryDeps, config: ZtunnelConfig, xds: ControlPlaneConfig): DeltaClient {
  const { state, clock, logger, metrics } = deps;
  const transport = new GrpcTransport({
    address: hostAndPort(xds),
    tls: {
      roots: () => readRoots(xds.root),
      ...(xds.altHostname !== undefined && { alternativeName: xds.altHostname }),
    },
    headers: () => callHeaders(config, xds),
  });
  return new DeltaClient(
    { transport, clock, log: logger, metrics },
    {
      node: () => nodeOf(config),
      types: [
        deltaType(addressType(state), config.isOnDemand ? "on-demand" : "wildcard"),
        deltaType(policyType(state)),
      ],
    },
  );
}

export function hostAndPort({ host, port }: ControlPlaneConfig): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

async function callHeaders(
  config: ZtunnelConfig,
  service: ControlPlaneConfig,
): Promise<Readonly<Record<string, string>>> {
  return {
    clusterid: config.clusterId,
    ...Object.fromEntries(service.headers),
    ...(config.token && { authorization: `Bearer ${await readToken(config.token)}` }),
  };
}
