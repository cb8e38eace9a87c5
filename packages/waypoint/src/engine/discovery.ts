// SPDX-License-Identifier: Apache-2.0
import { CLUSTER_TYPE_URL, ClusterSchema } from "@ambientmesh/api/envoy/cluster";
import { ClusterLoadAssignmentSchema, ENDPOINT_TYPE_URL } from "@ambientmesh/api/envoy/endpoint";
import { LISTENER_TYPE_URL, ListenerSchema } from "@ambientmesh/api/envoy/listener";
import { ROUTE_TYPE_URL, RouteConfigurationSchema } from "@ambientmesh/api/envoy/route";
import { messageOf, type Clock, type Logger } from "@ambientmesh/core";
import {
  DeltaClient,
  deltaType,
  type AnyDeltaType,
  type NodeInit,
  type Rejection,
  type SubscriptionMode,
  type XdsTransport,
} from "@ambientmesh/xds";
import { fromBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import type { Listeners } from "./listeners.ts";
import type { ProxyState } from "./proxy-state.ts";

/** What a client of a control plane is made with. */
export interface DiscoveryDeps {
  readonly transport: XdsTransport;
  readonly state: ProxyState;
  readonly listeners: Listeners;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Follows a control plane by delta ADS: clusters and listeners by wildcard, endpoints and routes as those ask for them.
 * A resource that can't be used is rejected with the path of the field, and the last good one of its name stays.
 */
export function createDiscovery(
  { state, listeners, logger, ...deps }: DiscoveryDeps,
  node: () => NodeInit,
): DeltaClient {
  const follow = (typeUrl: string, names: Iterable<string>): void => {
    client.subscribe(typeUrl, names).catch((error: unknown) => logger.error("can't subscribe", { error, typeUrl }));
  };
  const types = [
    resourceType(CLUSTER_TYPE_URL, ClusterSchema, "wildcard", {
      set: (cluster) => state.setCluster(cluster),
      remove: (name) => state.removeCluster(name),
      done: () => follow(ENDPOINT_TYPE_URL, state.endpointNames),
    }),
    resourceType(ENDPOINT_TYPE_URL, ClusterLoadAssignmentSchema, "named", {
      set: (endpoints) => state.setEndpoints(endpoints),
      remove: (name) => state.removeEndpoints(name),
    }),
    resourceType(LISTENER_TYPE_URL, ListenerSchema, "wildcard", {
      set: (listener) => listeners.set(listener),
      remove: (name) => listeners.remove(name),
      done: () => follow(ROUTE_TYPE_URL, listeners.routeNames),
    }),
    resourceType(ROUTE_TYPE_URL, RouteConfigurationSchema, "named", {
      set: (routes) => state.setRoutes(routes),
      remove: (name) => state.removeRoutes(name),
      done: () => listeners.routesChanged(),
    }),
  ];
  const client = new DeltaClient({ ...deps, log: logger }, { node, types });
  return client;
}

interface Owner<T> {
  readonly set: (resource: T) => void | Promise<void>;
  readonly remove: (name: string) => void;
  /** All of a response was taken over. */
  readonly done?: () => void | Promise<void>;
}

function resourceType<Desc extends DescMessage>(
  typeUrl: string,
  schema: Desc,
  mode: SubscriptionMode,
  owner: Owner<MessageShape<Desc>>,
): AnyDeltaType {
  const type = {
    typeUrl,
    decode: (bytes: Uint8Array) => fromBinary(schema, bytes),
    apply: async ({ upserted, removed }: Changes<MessageShape<Desc>>): Promise<readonly Rejection[]> => {
      const rejections: Rejection[] = [];
      for (const { name, value } of upserted) {
        try {
          await owner.set(value);
        } catch (error) {
          rejections.push({ name, reason: messageOf(error) });
        }
      }
      for (const name of removed) owner.remove(name);
      await owner.done?.();
      return rejections;
    },
  };
  return deltaType(type, mode);
}

interface Changes<T> {
  readonly upserted: readonly { readonly name: string; readonly value: T }[];
  readonly removed: readonly string[];
}
