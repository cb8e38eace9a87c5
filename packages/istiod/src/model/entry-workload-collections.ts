// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { ServiceEntry, WorkloadEntry, WorkloadEntrySpec } from "@ambientmesh/api/istio";
import type { Workload } from "@ambientmesh/api/workload";
import type { ResourceInput } from "@ambientmesh/xds";
import type { Collection } from "../collections/collection.ts";
import type { Fetch } from "../collections/derived-collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import { isSameInput, workloadResource } from "./address-resource.ts";
import { entryLabels, entryWorkload } from "./entry-workload.ts";
import { serviceEntryUid, workloadEntryUid } from "./names.ts";
import { networkOf } from "./place-collections.ts";
import { entryResourceName, hostsOf, isResolvedByDns, type EntryHost } from "./service-entry.ts";
import type { ServiceSelection } from "./service-selection.ts";
import type { ServiceView } from "./service-view.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";
import type { WorkloadInputs } from "./workload-inputs.ts";

/** Workloads from WorkloadEntries and from endpoints in ServiceEntries, by uid. */
export interface EntryWorkloads {
  readonly resources: Collection<ResourceInput>;
  /** What comes of each WorkloadEntry's wish for a waypoint, by key. */
  readonly bindings: Collection<WaypointBinding>;
}

export function deriveEntryWorkloads(
  graph: CollectionGraph,
  inputs: WorkloadInputs,
  selection: ServiceSelection,
): EntryWorkloads {
  const { sources, waypoints } = inputs;
  const workloads = deriveWorkloadEntries(graph, inputs, selection);
  const endpoints = deriveInlineEndpoints(graph, inputs);
  return {
    resources: graph.union("entry workloads", [workloads, endpoints]),
    bindings: graph.derive<WorkloadEntry, WaypointBinding>({
      name: "workload entry bindings",
      from: sources.workloadEntries,
      reads: waypoints.reads,
      equals: isDeepStrictEqual,
      derive: ({ metadata: { namespace = "", labels } }, fetch, key) => {
        const binding = waypoints.bind({ namespace, labels, use: "workload" }, fetch);
        return binding.kind === "none" ? [] : [[key, binding]];
      },
    }),
  };
}

function deriveWorkloadEntries(
  graph: CollectionGraph,
  { sources, places, policies, waypoints, mesh }: WorkloadInputs,
  selection: ServiceSelection,
): Collection<ResourceInput> {
  return graph.derive<WorkloadEntry, ResourceInput>({
    name: "workload entries",
    from: sources.workloadEntries,
    reads: [places.networks, selection.index, ...policies.reads, ...waypoints.reads],
    equals: isSameInput,
    derive: ({ metadata, spec = {} }, fetch) => {
      const { namespace = "" } = metadata;
      const labels = entryLabels(metadata, spec);
      return resourcesOf(
        entryWorkload(metadata, spec, mesh, {
          uid: workloadEntryUid(mesh.clusterId, metadata),
          network: networkOf(fetch, places),
          services: selection.selecting(namespace, labels, fetch),
          policies: policies.attachedTo({ ...metadata, labels }, fetch),
          waypoint: waypoints.ofWorkload({ namespace, labels: metadata.labels }, fetch),
        }),
      );
    },
  });
}

function deriveInlineEndpoints(graph: CollectionGraph, inputs: WorkloadInputs): Collection<ResourceInput> {
  const { sources, places, services, policies, waypoints } = inputs;
  return graph.derive<ServiceEntry, ResourceInput>({
    name: "service entry endpoints",
    from: sources.serviceEntries,
    reads: [places.networks, services.views, ...policies.reads, ...waypoints.reads],
    equals: isSameInput,
    derive: (entry, fetch, key) => {
      const hosts = hostsOf(entry, key).flatMap((host) => {
        const view = viewOf(host, services.views, fetch);
        return view ? [{ host: host.host, view }] : [];
      });
      const found = new Map<string, readonly [string, ResourceInput]>();
      for (const endpoint of endpointsOf(entry, hosts)) {
        const [resource] = resourcesOf(inlineWorkload(entry, endpoint, inputs, fetch));
        // Two endpoints at one address are told apart by nothing; the first one stays.
        if (resource && !found.has(resource[0])) found.set(resource[0], resource);
      }
      return found.values();
    },
  });
}

/** The service of a host, unless another object has it. */
function viewOf(host: EntryHost, views: Collection<ServiceView>, fetch: Fetch): ServiceView | undefined {
  const view = fetch.one(views, entryResourceName(host));
  return view?.entryKey === host.entryKey ? view : undefined;
}

interface InlineEndpoint {
  readonly spec: WorkloadEntrySpec;
  /** Made of a host, as the entry lists no endpoints. */
  readonly isImplicit: boolean;
  readonly services: readonly ServiceView[];
}

/** What the entry lists; a host that DNS resolves and that lists nothing is its own endpoint. */
function endpointsOf(
  { spec }: ServiceEntry,
  hosts: readonly { readonly host: string; readonly view: ServiceView }[],
): InlineEndpoint[] {
  const views = hosts.map(({ view }) => view);
  if (views.length === 0) return [];
  if (spec.endpoints && spec.endpoints.length > 0)
    return spec.endpoints.map((each) => ({ spec: each, isImplicit: false, services: views }));
  if (spec.workloadSelector || !isResolvedByDns(spec)) return [];
  return hosts.map(({ host, view }) => ({ spec: { address: host }, isImplicit: true, services: [view] }));
}

function inlineWorkload(
  { metadata }: ServiceEntry,
  { spec, isImplicit, services }: InlineEndpoint,
  { places, policies, waypoints, mesh }: WorkloadInputs,
  fetch: Fetch,
): Workload | undefined {
  const { namespace = "" } = metadata;
  // As in Istio: what it is and which policies select it is said by the labels of the ServiceEntry, its waypoint by its own.
  const { labels, ...place } = spec;
  return entryWorkload(metadata, place, mesh, {
    uid: serviceEntryUid(mesh.clusterId, metadata, spec.address ?? ""),
    network: networkOf(fetch, places),
    services,
    policies: policies.attachedTo(metadata, fetch),
    waypoint: isImplicit ? {} : waypoints.ofWorkload({ namespace, labels }, fetch),
  });
}

function resourcesOf(workload: Workload | undefined): [string, ResourceInput][] {
  return workload ? [[workload.uid, workloadResource(workload)]] : [];
}
