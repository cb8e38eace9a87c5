// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { KEYS } from "@ambientmesh/api";
import type { Service as KubernetesService } from "@ambientmesh/api/kubernetes";
import type { ResourceInput } from "@ambientmesh/xds";
import type { Collection } from "../collections/collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import { isSameInput, serviceResource } from "./address-resource.ts";
import type { MeshSources } from "./mesh-sources.ts";
import { serviceHostname, serviceResourceName } from "./names.ts";
import type { MeshFacts } from "./pod-workload.ts";
import { authorizationResource } from "./policy-outcome.ts";
import { networkOf, type PlaceCollections } from "./place-collections.ts";
import { serviceOf } from "./service.ts";
import { deriveEntryServices } from "./service-entry-collections.ts";
import { serviceViewOf, type ServiceView } from "./service-view.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";
import { isGuarded, waypointGuard } from "./waypoint-guard.ts";
import type { WaypointCollections } from "./waypoint-collections.ts";

export interface ServiceCollections {
  /** What goes to clients, by resource name. */
  readonly resources: Collection<ResourceInput>;
  /** What workloads depend on, by resource name. */
  readonly views: Collection<ServiceView>;
  /** What comes of each Service's wish for a waypoint, by key. */
  readonly bindings: Collection<WaypointBinding>;
  /** The same for ServiceEntries. */
  readonly entryBindings: Collection<WaypointBinding>;
  /** Policies that refuse whoever does not come through the waypoint, by resource name of the service. */
  readonly guards: Collection<ResourceInput>;
}

export interface ServiceInputs {
  readonly sources: MeshSources;
  readonly places: PlaceCollections;
  readonly waypoints: WaypointCollections;
  readonly domain: string;
  readonly mesh: Pick<MeshFacts, "trustDomain">;
}

/** The values of {@link KEYS.GATEWAY_MANAGED} on the services of waypoints and east-west gateways themselves. */
const GATEWAYS: ReadonlySet<string | undefined> = new Set(["istio.io-mesh-controller", "istio.io-eastwest-controller"]);

/** Services from Kubernetes and from Istio's entries. */
export function deriveServices(graph: CollectionGraph, inputs: ServiceInputs): ServiceCollections {
  const bindings = deriveBindings(graph, inputs);
  const resources = deriveResources(graph, inputs, bindings);
  const kubernetesViews = graph.derive<KubernetesService, ServiceView>({
    name: "service views",
    from: inputs.sources.services,
    equals: isDeepStrictEqual,
    derive: (object) => {
      const view = serviceViewOf(object, inputs.domain);
      return view ? [[view.resourceName, view]] : [];
    },
  });
  const entries = deriveEntryServices(graph, { ...inputs, kubernetesViews });
  return {
    resources: graph.union("services", [resources, entries.resources]),
    views: graph.union("views", [kubernetesViews, entries.views]),
    bindings,
    entryBindings: entries.bindings,
    guards: deriveGuards(graph, inputs, bindings),
  };
}

function deriveBindings(graph: CollectionGraph, { sources, waypoints }: ServiceInputs): Collection<WaypointBinding> {
  return graph.derive<KubernetesService, WaypointBinding>({
    name: "service bindings",
    from: sources.services,
    reads: waypoints.reads,
    equals: isDeepStrictEqual,
    derive: ({ metadata: { namespace = "", labels, annotations } }, fetch, key) => {
      if (GATEWAYS.has(labels?.[KEYS.GATEWAY_MANAGED])) return [];
      const binding = waypoints.bind({ namespace, labels, annotations, use: "service" }, fetch);
      return binding.kind === "none" ? [] : [[key, binding]];
    },
  });
}

function deriveGuards(
  graph: CollectionGraph,
  { sources, domain, mesh }: ServiceInputs,
  bindings: Collection<WaypointBinding>,
): Collection<ResourceInput> {
  return graph.derive<KubernetesService, ResourceInput>({
    name: "waypoint guards",
    from: sources.services,
    reads: [bindings],
    equals: isSameInput,
    derive: ({ metadata }, fetch, key) => {
      if (!isGuarded(metadata)) return [];
      const { name, namespace = "" } = metadata;
      const guard = waypointGuard(metadata, fetch.one(bindings, key), mesh.trustDomain);
      return [[serviceResourceName(namespace, serviceHostname(name, namespace, domain)), authorizationResource(guard)]];
    },
  });
}

function deriveResources(
  graph: CollectionGraph,
  { sources, places, waypoints, domain }: ServiceInputs,
  bindings: Collection<WaypointBinding>,
): Collection<ResourceInput> {
  return graph.derive<KubernetesService, ResourceInput>({
    name: "service resources",
    from: sources.services,
    reads: [places.networks, places.trafficDistributions, bindings, ...waypoints.reads],
    equals: isSameInput,
    derive: (object, fetch, key) => {
      const service = serviceOf(object, {
        domain,
        network: networkOf(fetch, places),
        namespaceDistribution: fetch.one(places.trafficDistributions, object.metadata.namespace ?? ""),
        waypoint: waypoints.fieldsOf(fetch.one(bindings, key) ?? { kind: "none" }, fetch),
      });
      if (!service) return [];
      const resource = serviceResource(service);
      return [[resource.name, resource]];
    },
  });
}
