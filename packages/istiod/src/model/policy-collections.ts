// SPDX-License-Identifier: Apache-2.0
import type { ObjectMeta } from "@ambientmesh/api/kubernetes";
import type { Fetch, Readable } from "../collections/derived-collection.ts";

/** How workloads find the policies that select them. */
export interface PolicyAttachment {
  readonly reads: readonly Readable[];
  /** Names of the policies to attach to a workload, in the order in which they go out. */
  attachedTo(workload: ObjectMeta, fetch: Fetch): string[];
}
