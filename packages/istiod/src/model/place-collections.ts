// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { KEYS } from "@ambientmesh/api";
import type { Collection } from "../collections/collection.ts";
import type { Fetch } from "../collections/derived-collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import { trafficDistributionOf } from "./load-balancing.ts";
import { localityOf, type NodeLocality } from "./locality.ts";
import type { MeshSources } from "./mesh-sources.ts";

/** The few facts of namespaces and nodes that others depend on, so that nothing follows their other changes. */
export interface PlaceCollections {
  /** The network of the cluster, under {@link NETWORK_KEY}; absent where the mesh has one network. */
  readonly networks: Collection<string>;
  /** Traffic distribution asked for by namespaces, by name. */
  readonly trafficDistributions: Collection<string>;
  /** By name of the node. */
  readonly localities: Collection<NodeLocality>;
}

const NETWORK_KEY = "cluster";

export function derivePlaces(graph: CollectionGraph, sources: MeshSources, systemNamespace: string): PlaceCollections {
  return {
    networks: graph.derive({
      name: "networks",
      from: sources.namespaces,
      equals: Object.is,
      derive: ({ metadata }) => {
        const network = metadata.name === systemNamespace ? metadata.labels?.[KEYS.NETWORK] : undefined;
        return network ? [[NETWORK_KEY, network]] : [];
      },
    }),
    trafficDistributions: graph.derive({
      name: "trafficdistributions",
      from: sources.namespaces,
      equals: Object.is,
      derive: ({ metadata }, _fetch, key) => {
        const distribution = trafficDistributionOf(metadata.annotations);
        return distribution === undefined ? [] : [[key, distribution]];
      },
    }),
    localities: graph.derive({
      name: "localities",
      from: sources.nodes,
      equals: isDeepStrictEqual,
      derive: (node, _fetch, key) => {
        const locality = localityOf(node);
        return locality ? [[key, locality]] : [];
      },
    }),
  };
}

/** The network of this cluster; empty in a mesh of one network. */
export function networkOf(fetch: Fetch, { networks }: PlaceCollections): string {
  return fetch.one(networks, NETWORK_KEY) ?? "";
}
