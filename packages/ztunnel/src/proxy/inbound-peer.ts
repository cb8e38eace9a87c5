// SPDX-License-Identifier: Apache-2.0
import { parseBaggage, type Headers } from "@ambientmesh/hbone";
import type { Ip } from "../net/address.ts";
import { partyOfBaggage, partyOfWorkload, type Party } from "../telemetry/party.ts";
import type { SharedDeps } from "./shared-deps.ts";

/** Header by which a gateway says that a tunnel comes from another network, whose addresses mean nothing here. */
export const FORWARDED_NETWORK = "x-forwarded-network";

/** The client of an inbound connection: what the control plane knows of its address, else what it says of itself. */
export function clientParty(
  { config, state }: Pick<SharedDeps, "config" | "state">,
  ip: Ip,
  headers: Headers = {},
): Party | undefined {
  const network = headers[FORWARDED_NETWORK];
  const isForeign = network !== undefined && network.toLowerCase() !== config.network.toLowerCase();
  const workload = isForeign ? undefined : state.workloads.byAddress({ network: config.network, ip });
  if (workload) return partyOfWorkload(workload);
  const { baggage } = headers;
  return config.isBaggageEnabled && baggage !== undefined ? partyOfBaggage(parseBaggage(baggage)) : undefined;
}
