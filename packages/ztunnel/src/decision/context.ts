// SPDX-License-Identifier: Apache-2.0
import type { MeshState } from "../state/mesh-state.ts";

/** The state as decisions see it: they read, nothing else. */
type StateView = Pick<MeshState, "find"> & {
  readonly workloads: Pick<MeshState["workloads"], "byUid" | "byAddress" | "byHostname">;
  readonly services: Pick<MeshState["services"], "byName" | "byKey" | "byAddress" | "byHostname">;
};

/** What every decision depends on beside the request. */
export interface DecisionContext {
  readonly state: StateView;
  /** Network of this cluster. */
  readonly network: string;
  /** Ports of this proxy, which nobody may be sent to. */
  readonly illegalPorts: ReadonlySet<number>;
  /** Proxies that take PROXY protocol are reached on loopback. */
  readonly isLocalhostAppTunnel: boolean;
  /** In [0, 1); draws endpoints and weighted waypoints. */
  readonly random: () => number;
}
