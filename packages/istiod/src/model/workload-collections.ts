// SPDX-License-Identifier: Apache-2.0
import type { EndpointSlice, Pod } from "@ambientmesh/api/kubernetes";
import type { ResourceInput } from "@ambientmesh/xds";
import type { Collection } from "../collections/collection.ts";
import type { CollectionIndex } from "../collections/collection-index.ts";
import type { Fetch } from "../collections/derived-collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import { isSameInput, workloadResource } from "./address-resource.ts";
import { endpointWorkloads, podReference, podReferences, serviceOfSlice } from "./endpoint-workload.ts";
import { deriveEntryWorkloads, type EntryWorkloads } from "./entry-workload-collections.ts";
import { networkOf } from "./place-collections.ts";
import { podWorkload } from "./pod-workload.ts";
import { selectServices, type ServiceSelection } from "./service-selection.ts";
import type { ServiceView } from "./service-view.ts";
import type { WorkloadInputs } from "./workload-inputs.ts";

/** A pod that a slice lists for a service without selector. */
interface ListedPod {
  readonly reference: string;
  readonly service: ServiceView;
}

/** Workloads from pods, from endpoints without pod and from Istio's entries, by uid. */
export function deriveWorkloads(graph: CollectionGraph, inputs: WorkloadInputs): EntryWorkloads {
  const selection = selectServices(inputs.services.views);
  const entries = deriveEntryWorkloads(graph, inputs, selection);
  const pods = derivePods(graph, inputs, selection);
  return {
    resources: graph.union("workload resources", [pods, deriveEndpoints(graph, inputs), entries.resources]),
    bindings: entries.bindings,
  };
}

function derivePods(
  graph: CollectionGraph,
  inputs: WorkloadInputs,
  selection: ServiceSelection,
): Collection<ResourceInput> {
  const { sources, places, services, policies, waypoints, mesh } = inputs;
  const listedPods = deriveListedPods(graph, inputs).index("pod", ({ reference }) => [reference]);
  return graph.derive<Pod, ResourceInput>({
    name: "pod workloads",
    from: sources.pods,
    reads: [
      places.networks,
      places.localities,
      selection.index,
      listedPods,
      services.guards,
      ...policies.reads,
      ...waypoints.reads,
    ],
    equals: isSameInput,
    derive: (pod, fetch) => {
      const ofPod = servicesOfPod(pod, fetch, selection, listedPods);
      const workload = podWorkload(pod, mesh, {
        network: networkOf(fetch, places),
        locality: fetch.one(places.localities, pod.spec.nodeName ?? ""),
        services: ofPod,
        policies: [...policies.attachedTo(pod.metadata, fetch), ...guardsOf(ofPod, services.guards, fetch)],
        waypoint: waypoints.ofPod(pod.metadata, fetch),
      });
      if (!workload) return [];
      return [[workload.uid, workloadResource(workload)]];
    },
  });
}

function guardsOf(views: readonly ServiceView[], guards: Collection<ResourceInput>, fetch: Fetch): string[] {
  return views
    .flatMap(({ resourceName }) => fetch.one(guards, resourceName)?.name ?? [])
    .sort((a, b) => (a < b ? -1 : 1));
}

function servicesOfPod(
  { metadata: { namespace = "", name, uid, labels = {} } }: Pod,
  fetch: Fetch,
  selection: ServiceSelection,
  listedPods: CollectionIndex<ListedPod>,
): ServiceView[] {
  const selecting = selection.selecting(namespace, labels, fetch);
  const listing = fetch.many(listedPods, podReference(namespace, name, uid)).map(({ service }) => service);
  return [...new Map([...selecting, ...listing].map((view) => [view.resourceName, view])).values()];
}

/** Most pods are in slices because a selector found them; they must not be derived again with every slice. */
function deriveListedPods(
  graph: CollectionGraph,
  { sources, services, domain }: WorkloadInputs,
): Collection<ListedPod> {
  return graph.derive<EndpointSlice, ListedPod>({
    name: "listed pods",
    from: sources.endpointSlices,
    reads: [services.views],
    equals: (a, b) => a.reference === b.reference && a.service === b.service,
    derive: (slice, fetch, key) => {
      const service = fetch.one(services.views, serviceOfSlice(slice, domain) ?? "");
      if (!service || Object.keys(service.selector).length > 0) return [];
      return podReferences(slice).map((reference) => [`${key} ${reference}`, { reference, service }]);
    },
  });
}

function deriveEndpoints(
  graph: CollectionGraph,
  { sources, places, services, mesh, domain }: WorkloadInputs,
): Collection<ResourceInput> {
  return graph.derive<EndpointSlice, ResourceInput>({
    name: "endpoint workloads",
    from: sources.endpointSlices,
    reads: [places.networks, services.views],
    equals: isSameInput,
    derive: (slice, fetch) => {
      const service = fetch.one(services.views, serviceOfSlice(slice, domain) ?? "");
      if (!service) return [];
      const around = { service, network: networkOf(fetch, places) };
      return endpointWorkloads(slice, mesh, around).map((workload) => [workload.uid, workloadResource(workload)]);
    },
  });
}
