// SPDX-License-Identifier: Apache-2.0
import type { Logger } from "@ambientmesh/core";
import type { LocalWorkloadName } from "../state/workload-store.ts";
import type { Workload } from "../state/model.ts";
import type { ConnectionBook } from "../telemetry/connections.ts";
import type { PodSockets } from "./pod-sockets.ts";
import { WORKLOAD_WAIT_MS, type SharedDeps } from "./shared-deps.ts";

/** What the listeners of one pod share. */
export interface PodContext {
  readonly shared: SharedDeps;
  readonly logger: Logger;
  readonly workload: LocalWorkloadName;
  readonly sockets: PodSockets;
  readonly connections: ConnectionBook;
}

/** The pod's workload as the control plane knows it, waiting for it a while; undefined if it is not known. */
export function localWorkload({ shared, workload }: PodContext, signal?: AbortSignal): Promise<Workload | undefined> {
  return shared.state.waitForLocal(workload, WORKLOAD_WAIT_MS, signal);
}

/** For refusals: which workload is not known. */
export function describeWorkload({ workload }: PodContext): string {
  return `unknown source: ${workload.namespace}/${workload.name} (service account ${workload.serviceAccount})`;
}
