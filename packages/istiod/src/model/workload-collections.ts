// SPDX-License-Identifier: Apache-2.0
import type { EndpointSlice, Pod } from "@ambientmesh/api/kubernetes";
import type { ResourceInput } from "@ambientmesh/xds";
import type { Collection } from "../collections/collection.ts";
import type { CollectionIndex } from "../collections/collection-index.ts";
import type { Fetch } from "../collections/derived-collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import { isSameInput, workloadResource } from "./address-resource.ts";
import { endpointWorkloads, podReference, podReferences, serviceKeyOfSlice } from "./endpoint-workload.ts";
import { selects } from "./labels.ts";
import type { MeshSources } from "./mesh-sources.ts";
import { networkOf, type PlaceCollections } from "./place-collections.ts";
import { podWorkload, type MeshFacts } from "./pod-workload.ts";
import type { PolicyAttachment } from "./policy-collections.ts";
import type { ServiceCollections } from "./service-collections.ts";
import type { ServiceView } from "./service-view.ts";

/** What the workloads are derived from. */
export interface WorkloadInputs {
  readonly sources: MeshSources;
  readonly places: PlaceCollections;
  readonly services: ServiceCollections;
  readonly policies: PolicyAttachment;
  readonly mesh: MeshFacts;
}

/** A pod that a slice lists for a service without selector. */
interface ListedPod {
  readonly reference: string;
  readonly service: ServiceView;
}

/** Workloads from pods and from endpoints without pod, by uid. */
export function deriveWorkloads(graph: CollectionGraph, inputs: WorkloadInputs): Collection<ResourceInput> {
  return graph.union("workload resources", [derivePods(graph, inputs), deriveEndpoints(graph, inputs)]);
}

function derivePods(graph: CollectionGraph, inputs: WorkloadInputs): Collection<ResourceInput> {
  const { sources, places, services, policies, mesh } = inputs;
  const viewsBySelector = services.views.index("selector", selectorKeys);
  const listedPods = deriveListedPods(graph, inputs).index("pod", ({ reference }) => [reference]);
  return graph.derive<Pod, ResourceInput>({
    name: "pod workloads",
    from: sources.pods,
    reads: [places.networks, places.localities, viewsBySelector, listedPods, ...policies.reads],
    equals: isSameInput,
    derive: (pod, fetch) => {
      const workload = podWorkload(pod, mesh, {
        network: networkOf(fetch, places),
        locality: fetch.one(places.localities, pod.spec.nodeName ?? ""),
        services: servicesOfPod(pod, fetch, viewsBySelector, listedPods),
        policies: policies.attachedTo(pod.metadata, fetch),
      });
      if (!workload) return [];
      return [[workload.uid, workloadResource(workload)]];
    },
  });
}

function servicesOfPod(
  { metadata: { namespace = "", name, uid, labels = {} } }: Pod,
  fetch: Fetch,
  viewsBySelector: CollectionIndex<ServiceView>,
  listedPods: CollectionIndex<ListedPod>,
): ServiceView[] {
  const isSelecting = ({ selector }: ServiceView): boolean => selects(selector, labels);
  const selecting = Object.entries(labels).flatMap(([key, value]) =>
    fetch.many(viewsBySelector, selectorKey(namespace, key, value), isSelecting),
  );
  const listing = fetch.many(listedPods, podReference(namespace, name, uid)).map(({ service }) => service);
  return [...new Map([...selecting, ...listing].map((view) => [view.resourceName, view])).values()];
}

/**
 * One of the labels a service asks for: a pod that has it is compared with the whole selector. So a pod looks at the
 * services of its own labels, however many others there are.
 */
function selectorKeys({ namespace, selector }: ServiceView): string[] {
  const [first] = Object.entries(selector);
  return first ? [selectorKey(namespace, ...first)] : [];
}

function selectorKey(namespace: string, label: string, value: string): string {
  return `${namespace}/${label}=${value}`;
}

/** Most pods are in slices because a selector found them; they must not be derived again with every slice. */
function deriveListedPods(graph: CollectionGraph, { sources, services }: WorkloadInputs): Collection<ListedPod> {
  return graph.derive<EndpointSlice, ListedPod>({
    name: "listed pods",
    from: sources.endpointSlices,
    reads: [services.views],
    equals: (a, b) => a.reference === b.reference && a.service === b.service,
    derive: (slice, fetch, key) => {
      const service = fetch.one(services.views, serviceKeyOfSlice(slice) ?? "");
      if (!service || Object.keys(service.selector).length > 0) return [];
      return podReferences(slice).map((reference) => [`${key} ${reference}`, { reference, service }]);
    },
  });
}

function deriveEndpoints(
  graph: CollectionGraph,
  { sources, places, services, mesh }: WorkloadInputs,
): Collection<ResourceInput> {
  return graph.derive<EndpointSlice, ResourceInput>({
    name: "endpoint workloads",
    from: sources.endpointSlices,
    reads: [places.networks, services.views],
    equals: isSameInput,
    derive: (slice, fetch) => {
      const service = fetch.one(services.views, serviceKeyOfSlice(slice) ?? "");
      if (!service) return [];
      const around = { service, network: networkOf(fetch, places) };
      return endpointWorkloads(slice, mesh, around).map((workload) => [workload.uid, workloadResource(workload)]);
    },
  });
}
