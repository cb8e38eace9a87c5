// SPDX-License-Identifier: Apache-2.0
import type { MeshSources } from "./mesh-sources.ts";
import type { PlaceCollections } from "./place-collections.ts";
import type { MeshFacts } from "./pod-workload.ts";
import type { PolicyAttachment } from "./policy-collections.ts";
import type { ServiceCollections } from "./service-collections.ts";
import type { WaypointCollections } from "./waypoint-collections.ts";

/** What the workloads are derived from. */
export interface WorkloadInputs {
  readonly sources: MeshSources;
  readonly places: PlaceCollections;
  readonly services: ServiceCollections;
  readonly policies: PolicyAttachment;
  readonly waypoints: WaypointCollections;
  readonly mesh: MeshFacts;
  /** DNS domain of the cluster. */
  readonly domain: string;
}
