// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import type { ResourceInput } from "@ambientmesh/xds";
import type { Collection } from "../collections/collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import { isSameInput, serviceResource } from "./address-resource.ts";
import type { MeshSources } from "./mesh-sources.ts";
import { networkOf, type PlaceCollections } from "./place-collections.ts";
import { serviceOf } from "./service.ts";
import { serviceViewOf, type ServiceView } from "./service-view.ts";

export interface ServiceCollections {
  /** What goes to clients, by resource name. */
  readonly resources: Collection<ResourceInput>;
  /** What workloads depend on, by key of the Service. */
  readonly views: Collection<ServiceView>;
}

export function deriveServices(
  graph: CollectionGraph,
  { sources, places, domain }: { sources: MeshSources; places: PlaceCollections; domain: string },
): ServiceCollections {
  return {
    resources: graph.derive({
      name: "service resources",
      from: sources.services,
      reads: [places.networks, places.trafficDistributions],
      equals: isSameInput,
      derive: (object, fetch) => {
        const service = serviceOf(object, {
          domain,
          network: networkOf(fetch, places),
          namespaceDistribution: fetch.one(places.trafficDistributions, object.metadata.namespace ?? ""),
        });
        if (!service) return [];
        const resource = serviceResource(service);
        return [[resource.name, resource]];
      },
    }),
    views: graph.derive({
      name: "service views",
      from: sources.services,
      equals: isDeepStrictEqual,
      derive: (object, _fetch, key) => {
        const view = serviceViewOf(object, domain);
        return view ? [[key, view]] : [];
      },
    }),
  };
}
