// SPDX-License-Identifier: Apache-2.0
import type { Netns } from "@ambientmesh/linux";
import type { LocalWorkloadName } from "../state/workload-store.ts";
import type { ConnectionBook } from "../telemetry/connections.ts";

/** A pod that the CNI agent handed over. */
export interface Pod {
  /** The pod's UID in Kubernetes. */
  readonly uid: string;
  readonly workload: LocalWorkloadName;
  readonly netns: Netns;
}

/** The proxy of one pod. */
export interface RunningPod {
  readonly connections: ConnectionBook;
  /** Stops listening at once, cuts connections after `graceMs` (0: at once), and resolves when nothing is left. */
  drain(graceMs: number): Promise<void>;
}

/** Starts the proxy of a pod. Rejects, with nothing left open, when it can't; the pod's namespace stays the caller's. */
export type StartPod = (pod: Pod) => Promise<RunningPod>;
