// SPDX-License-Identifier: Apache-2.0
import type { ResourceInput } from "@ambientmesh/xds";
import type { Collection } from "../collections/collection.ts";
import type { OnFailure } from "../collections/derived-collection.ts";
import { CollectionGraph } from "../collections/graph.ts";
import { createMeshSources, type MeshSources } from "./mesh-sources.ts";
import { derivePlaces } from "./place-collections.ts";
import type { MeshFacts } from "./pod-workload.ts";
import { derivePolicies } from "./policy-collections.ts";
import type { PolicyOutcome } from "./policy-outcome.ts";
import { deriveServices } from "./service-collections.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";
import { deriveWaypoints } from "./waypoint-collections.ts";
import { deriveWorkloads } from "./workload-collections.ts";

/** What is the same for all objects. Trust domain and root namespace may change; then the graph has to be invalidated. */
export interface MeshModelOptions extends MeshFacts {
  /** DNS domain of the cluster. */
  readonly domain: string;
  /** Where mesh-wide policies live. */
  readonly rootNamespace: string;
  /** Namespace of istiod; its label names the network of the cluster. */
  readonly systemNamespace: string;
  /** Node proxies get policies that are annotated for a dry run; otherwise those are left out. */
  readonly isDryRunSent: boolean;
}

/** From Kubernetes objects to resources. Pure: no I/O, no time. */
export interface MeshModel {
  readonly graph: CollectionGraph;
  readonly sources: MeshSources;
  /** Resources of type istio.workload.Address: workloads and services. */
  readonly addresses: Collection<ResourceInput>;
  /** Resources of type istio.security.Authorization. */
  readonly authorizations: Collection<ResourceInput>;
  /** What becomes of each AuthorizationPolicy, by key. */
  readonly policies: Collection<PolicyOutcome>;
  /** What comes of wishes for a waypoint, by key of the object; absent where none is wished for. */
  readonly bindings: {
    readonly services: Collection<WaypointBinding>;
    readonly serviceEntries: Collection<WaypointBinding>;
    readonly workloadEntries: Collection<WaypointBinding>;
  };
}

export function createMeshModel(options: MeshModelOptions, onFailure: OnFailure): MeshModel {
  const { domain, systemNamespace, isDryRunSent } = options;
  const mesh: MeshFacts = options;
  const graph = new CollectionGraph(onFailure);
  const sources = createMeshSources(graph);
  const places = derivePlaces(graph, sources, systemNamespace);
  const waypoints = deriveWaypoints(graph, sources, places);
  const services = deriveServices(graph, { sources, places, waypoints, domain, mesh });
  const policies = derivePolicies(graph, sources, {
    get rootNamespace() {
      return options.rootNamespace;
    },
    allowDryRun: isDryRunSent,
  });
  const workloads = deriveWorkloads(graph, {
    sources,
    places,
    services,
    policies: policies.attachment,
    waypoints,
    mesh,
    domain,
  });
  return {
    graph,
    sources,
    addresses: graph.union("addresses", [workloads.resources, services.resources]),
    authorizations: graph.union("all authorizations", [policies.resources, byName(graph, services.guards)]),
    policies: policies.outcomes,
    bindings: {
      services: services.bindings,
      serviceEntries: services.entryBindings,
      workloadEntries: workloads.bindings,
    },
  };
}

/** Guards are found by service; clients know policies by name. */
function byName(graph: CollectionGraph, guards: Collection<ResourceInput>): Collection<ResourceInput> {
  return graph.derive<ResourceInput, ResourceInput>({
    name: "waypoint guard resources",
    from: guards,
    equals: Object.is,
    derive: (guard) => [[guard.name, guard]],
  });
}
