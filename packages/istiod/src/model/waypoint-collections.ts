// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { create } from "@bufbuild/protobuf";
import { KEYS } from "@ambientmesh/api";
import type { Namespace, ObjectMeta } from "@ambientmesh/api/kubernetes";
import {
  ApplicationTunnelSchema,
  WeightedWaypointSchema,
  type Service,
  type Workload,
} from "@ambientmesh/api/workload";
import type { Collection } from "../collections/collection.ts";
import type { Fetch, Readable } from "../collections/derived-collection.ts";
import type { CollectionGraph } from "../collections/graph.ts";
import type { MeshSources } from "./mesh-sources.ts";
import { networkOf, type PlaceCollections } from "./place-collections.ts";
import { bindWaypoint, type BindingRequest, type WaypointBinding, type Wish } from "./waypoint-binding.ts";
import { waypointAddress, waypointOf, type Waypoint } from "./waypoint.ts";

/** How services and workloads find their waypoint. */
export interface WaypointCollections {
  /** What a derivation has to declare to use this. */
  readonly reads: readonly Readable[];
  bind(request: BindingRequest, fetch: Fetch): WaypointBinding;
  /** The fields of a service that follow from its binding. */
  fieldsOf(
    binding: WaypointBinding,
    fetch: Fetch,
  ): Pick<Service, "waypoint" | "weightedWaypoints" | "ingressUseWaypoint">;
  /** The same for a pod, which may be a waypoint itself. */
  ofPod(pod: ObjectMeta, fetch: Fetch): Pick<Workload, "waypoint" | "applicationTunnel">;
  /** The same for any other workload. */
  ofWorkload(request: Omit<BindingRequest, "use">, fetch: Fetch): Pick<Workload, "waypoint">;
}

const ASKING: ReadonlySet<string> = new Set([
  KEYS.USE_WAYPOINT,
  KEYS.USE_WAYPOINT_NAMESPACE,
  KEYS.USE_WAYPOINT_CANARY,
  KEYS.USE_WAYPOINT_CANARY_NAMESPACE,
  KEYS.INGRESS_USE_WAYPOINT,
]);

export function deriveWaypoints(
  graph: CollectionGraph,
  sources: MeshSources,
  places: PlaceCollections,
): WaypointCollections {
  const waypoints = graph.derive({
    name: "waypoints",
    from: sources.gateways,
    reads: [sources.gatewayClasses],
    equals: isDeepStrictEqual,
    derive: (gateway, fetch, key) => {
      const waypoint = waypointOf(gateway, fetch.one(sources.gatewayClasses, gateway.spec.gatewayClassName));
      return waypoint ? [[key, waypoint]] : [];
    },
  });
  const wishes = graph.derive<Namespace, Wish>({
    name: "waypoint wishes",
    from: sources.namespaces,
    equals: isDeepStrictEqual,
    derive: ({ metadata: { labels = {}, annotations = {} } }, _fetch, key) => {
      const asked = Object.entries(labels).filter(([label]) => ASKING.has(label));
      const weight = annotations[KEYS.USE_WAYPOINT_CANARY_WEIGHT];
      if (asked.length === 0) return [];
      const annotated = weight === undefined ? {} : { annotations: { [KEYS.USE_WAYPOINT_CANARY_WEIGHT]: weight } };
      return [[key, { labels: Object.fromEntries(asked), ...annotated }]];
    },
  });
  return new WaypointFinder({ waypoints, wishes, sources, places });
}

interface Parts {
  readonly waypoints: Collection<Waypoint>;
  readonly wishes: Collection<Wish>;
  readonly sources: MeshSources;
  readonly places: PlaceCollections;
}

class WaypointFinder implements WaypointCollections {
  readonly reads: readonly Readable[];
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.reads = [parts.waypoints, parts.wishes, parts.sources.namespaces, parts.places.networks];
  }

  bind(request: BindingRequest, fetch: Fetch): WaypointBinding {
    const { waypoints, wishes, sources } = this.#parts;
    return bindWaypoint(request, {
      namespaceWish: fetch.one(wishes, request.namespace),
      waypoint: (key) => fetch.one(waypoints, key),
      labelsOfNamespace: (namespace) => fetch.one(sources.namespaces, namespace)?.metadata.labels,
    });
  }

  fieldsOf(
    binding: WaypointBinding,
    fetch: Fetch,
  ): Pick<Service, "waypoint" | "weightedWaypoints" | "ingressUseWaypoint"> {
    if (binding.kind !== "bound") return { weightedWaypoints: [], ingressUseWaypoint: false };
    const { waypoint, canary, isIngressBound } = binding;
    const shares = canary ? [{ waypoint, weight: 100 - canary.weight }, canary] : [];
    return {
      waypoint: this.#address(waypoint, fetch),
      weightedWaypoints: shares.map((share) =>
        create(WeightedWaypointSchema, { destination: this.#address(share.waypoint, fetch), weight: share.weight }),
      ),
      ingressUseWaypoint: isIngressBound,
    };
  }

  ofPod({ namespace = "", labels = {} }: ObjectMeta, fetch: Fetch): Pick<Workload, "waypoint" | "applicationTunnel"> {
    const gateway = labels[KEYS.GATEWAY_NAME];
    const own = gateway === undefined ? undefined : fetch.one(this.#parts.waypoints, `${namespace}/${gateway}`);
    if (!own) return this.ofWorkload({ namespace, labels }, fetch);
    // A waypoint's traffic does not pass through a waypoint again.
    return own.binding ? { applicationTunnel: create(ApplicationTunnelSchema, own.binding) } : {};
  }

  ofWorkload(request: Omit<BindingRequest, "use">, fetch: Fetch): Pick<Workload, "waypoint"> {
    const binding = this.bind({ ...request, use: "workload" }, fetch);
    return binding.kind === "bound" ? { waypoint: this.#address(binding.waypoint, fetch) } : {};
  }

  #address(waypoint: Waypoint, fetch: Fetch): NonNullable<Service["waypoint"]> {
    return waypointAddress(waypoint, networkOf(fetch, this.#parts.places));
  }
}
