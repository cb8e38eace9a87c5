// SPDX-License-Identifier: Apache-2.0
import type { ManagedPod } from "../inpod/workload-manager.ts";

/** Whoever decides which workloads have a proxy in this process. */
export interface Hosting {
  /** By uid, for dumps; undefined where there is only one and nobody hands it over. */
  readonly pods: readonly ManagedPod[] | undefined;
  /** Serves until `signal` aborts. Called once, when the control plane's state is complete. */
  run(signal: AbortSignal): Promise<void>;
  /** Ends all proxies: no new connections, those that live have `graceMs`. */
  drain(graceMs: number): Promise<void>;
}
