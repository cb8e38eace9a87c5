// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { ServiceEntry } from "@ambientmesh/api/istio";
import type { ResourceInput } from "@ambientmesh/xds";
import type { Collection } from "../collections/collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import { isSameInput, serviceResource } from "./address-resource.ts";
import type { MeshSources } from "./mesh-sources.ts";
import { namespaceOfHostname, serviceResourceName } from "./names.ts";
import { networkOf, type PlaceCollections } from "./place-collections.ts";
import {
  byAge,
  entryResourceName,
  entryService,
  entryView,
  hostsOf,
  isWildcard,
  type EntryHost,
} from "./service-entry.ts";
import type { ServiceView } from "./service-view.ts";
import type { WaypointBinding } from "./waypoint-binding.ts";
import type { WaypointCollections } from "./waypoint-collections.ts";

export interface EntryInputs {
  readonly sources: MeshSources;
  readonly places: PlaceCollections;
  readonly waypoints: WaypointCollections;
  /** Kubernetes Services by resource name: where one has the host, entries don't count. */
  readonly kubernetesViews: Collection<ServiceView>;
  readonly domain: string;
}

/** Services from ServiceEntries, by resource name. */
export interface EntryServices {
  readonly resources: Collection<ResourceInput>;
  readonly views: Collection<ServiceView>;
  /** What comes of each entry's wish for a waypoint, by key of the entry. */
  readonly bindings: Collection<WaypointBinding>;
}

interface Winner extends EntryHost {
  readonly isCanonical: boolean;
}

export function deriveEntryServices(graph: CollectionGraph, inputs: EntryInputs): EntryServices {
  const { sources, places, waypoints } = inputs;
  const bindings = graph.derive<ServiceEntry, WaypointBinding>({
    name: "service entry bindings",
    from: sources.serviceEntries,
    reads: waypoints.reads,
    equals: isDeepStrictEqual,
    derive: ({ metadata: { namespace = "", labels, annotations } }, fetch, key) => {
      const binding = waypoints.bind({ namespace, labels, annotations, use: "service" }, fetch);
      return binding.kind === "none" ? [] : [[key, binding]];
    },
  });
  const winners = deriveWinners(graph, inputs);
  return {
    bindings,
    resources: graph.derive<Winner, ResourceInput>({
      name: "service entry resources",
      from: winners,
      reads: [places.networks, places.trafficDistributions, bindings, ...waypoints.reads],
      equals: isSameInput,
      derive: (winner, fetch) => {
        const { metadata, spec } = winner.entry;
        const isUnbound = isWildcard(winner.host) && spec.resolution !== "DYNAMIC_DNS";
        const binding = isUnbound ? undefined : fetch.one(bindings, winner.entryKey);
        const service = entryService(winner, {
          network: networkOf(fetch, places),
          namespaceDistribution: fetch.one(places.trafficDistributions, metadata.namespace ?? ""),
          isCanonical: winner.isCanonical,
          waypoint: waypoints.fieldsOf(binding ?? { kind: "none" }, fetch),
        });
        const resource = serviceResource(service);
        return [[resource.name, resource]];
      },
    }),
    views: graph.derive<Winner, ServiceView>({
      name: "service entry views",
      from: winners,
      equals: isDeepStrictEqual,
      derive: (winner, _fetch, key) => [[key, entryView(winner)]],
    }),
  };
}

/** One host per resource name: the oldest entry's, and none where a Kubernetes Service has the name. */
function deriveWinners(graph: CollectionGraph, { sources, kubernetesViews, domain }: EntryInputs): Collection<Winner> {
  const hosts = graph.derive<ServiceEntry, EntryHost>({
    name: "service entry hosts",
    from: sources.serviceEntries,
    equals: (a, b) => a.entry === b.entry,
    derive: (entry, _fetch, key) => hostsOf(entry, key).map((host) => [`${key} ${host.host}`, host]),
  });
  const byHost = hosts.index("host", ({ host }) => [host]);
  const rivals = graph.group({
    name: "service entry rivals",
    from: hosts,
    keyOf: entryResourceName,
    compare: byAge,
  });
  return graph.derive<readonly EntryHost[], Winner>({
    name: "service entry winners",
    from: rivals,
    reads: [byHost, kubernetesViews],
    equals: (a, b) => a.entry === b.entry && a.isCanonical === b.isCanonical,
    derive: ([winner], fetch, resourceName) => {
      if (!winner || fetch.one(kubernetesViews, resourceName)) return [];
      const { host } = winner;
      const owner = namespaceOfHostname(host, domain);
      const isKubernetes = owner !== undefined && fetch.one(kubernetesViews, serviceResourceName(owner, host));
      const isCanonical = !isKubernetes && fetch.many(byHost, host).sort(byAge)[0] === winner;
      return [[resourceName, { ...winner, isCanonical }]];
    },
  });
}
