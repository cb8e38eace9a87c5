// SPDX-License-Identifier: Apache-2.0
import { ADDRESS_TYPE_URL } from "@ambientmesh/api/workload";
import type { DeltaClient } from "@ambientmesh/xds";
import type { Ip } from "../net/address.ts";
import type { Found, MeshState } from "../state/mesh-state.ts";
import { addressKey, serviceKey, type GatewayAddress, type NetworkAddress, type Service } from "../state/model.ts";

/** How long a connection waits for the control plane to say what an address is. Then it is taken as unknown. */
const DEMAND_TIMEOUT_MS = 5000;

/**
 * Asks the control plane for what a connection needs and the state does not hold yet. Each method resolves when the state
 * is right about it, or the time is over.
 */
export class OnDemandAddresses {
  readonly #client: Pick<DeltaClient, "demand">;
  readonly #state: Pick<MeshState, "find" | "workloads">;

  constructor(client: Pick<DeltaClient, "demand">, state: Pick<MeshState, "find" | "workloads">) {
    this.#client = client;
    this.#state = state;
  }

  /** Where a pod wants to go, and the gateways on the way there. */
  async forOutbound(address: NetworkAddress, signal: AbortSignal): Promise<void> {
    const found = await this.#address(address, signal);
    await Promise.all(gatewaysOf(found).map((gateway) => this.#gateway(gateway, signal)));
  }

  /** Who calls a pod; and what he calls it by, with the waypoints of that, if it is another address than the pod's. */
  async forInbound(network: string, ips: readonly Ip[], signal: AbortSignal): Promise<void> {
    await Promise.all(ips.map((ip) => this.forOutbound({ network, ip }, signal)));
  }

  async #address(address: NetworkAddress, signal: AbortSignal): Promise<Found | undefined> {
    if (!this.#state.find(address)) await this.#demand(addressKey(address), signal);
    const found = this.#state.find(address);
    // By its name it comes with its endpoints; at once if they are here already.
    if (found?.kind === "service") await this.#demand(serviceKey(found.entry.service), signal);
    return found;
  }

  async #gateway({ destination }: GatewayAddress, signal: AbortSignal): Promise<void> {
    if (destination.kind === "address") {
      await this.#address(destination, signal);
      return;
    }
    if (!this.#state.workloads.byHostname(destination)) await this.#demand(serviceKey(destination), signal);
  }

  async #demand(name: string, signal: AbortSignal): Promise<void> {
    await this.#client.demand(ADDRESS_TYPE_URL, name, { timeoutMs: DEMAND_TIMEOUT_MS, signal });
  }
}

/** Waypoints, and the gateways of other networks that endpoints are in; each once. */
function gatewaysOf(found: Found | undefined): readonly GatewayAddress[] {
  if (!found) return [];
  const gateways: (GatewayAddress | undefined)[] =
    found.kind === "workload"
      ? [found.workload.waypoint, found.workload.networkGateway]
      : [
          ...waypointsOf(found.entry.service),
          ...[...found.entry.endpoints.values()].map(({ workload }) => workload.networkGateway),
        ];
  const byName = new Map<string, GatewayAddress>();
  for (const gateway of gateways) if (gateway) byName.set(JSON.stringify(gateway.destination), gateway);
  return [...byName.values()];
}

function waypointsOf({ waypoint, weightedWaypoints }: Service): readonly (GatewayAddress | undefined)[] {
  return [waypoint, ...weightedWaypoints.map(({ gateway }) => gateway)];
}
