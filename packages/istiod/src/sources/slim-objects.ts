// SPDX-License-Identifier: Apache-2.0
import { KEYS } from "@ambientmesh/api";
import type { Endpoint, EndpointSlice, Namespace, ObjectMeta, Pod } from "@ambientmesh/api/kubernetes";
import { slimPod } from "@ambientmesh/kube";

/** Annotations that the model reads; those of users may be of any size and number. */
const READ_ANNOTATIONS: ReadonlySet<string> = new Set([
  KEYS.REDIRECTION,
  KEYS.TRAFFIC_DISTRIBUTION,
  KEYS.USE_WAYPOINT_CANARY_WEIGHT,
]);

/** A pod reduced to what its workload is made of. */
export function slimmestPod(pod: Pod): Pod {
  const slim = slimPod(pod);
  return { ...slim, metadata: slimMetadata(slim.metadata) };
}

/** A namespace without annotations that nobody reads. */
export function slimNamespace(namespace: Namespace): Namespace {
  return { ...namespace, metadata: slimMetadata(namespace.metadata) };
}

/** A slice reduced to addresses, readiness and the objects behind them. */
export function slimEndpointSlice(slice: EndpointSlice): EndpointSlice {
  const { endpoints, ...rest } = slice;
  const slim = { ...rest, metadata: slimMetadata(slice.metadata) };
  return endpoints ? { ...slim, endpoints: endpoints.map(slimEndpoint) } : slim;
}

function slimEndpoint({ addresses, conditions, targetRef }: Endpoint): Endpoint {
  return {
    addresses,
    ...(conditions?.ready !== undefined && { conditions: { ready: conditions.ready } }),
    ...(targetRef && { targetRef }),
  };
}

function slimMetadata(metadata: ObjectMeta): ObjectMeta {
  const { annotations, ownerReferences, ...rest } = metadata;
  const read = Object.entries(annotations ?? {}).filter(([key]) => READ_ANNOTATIONS.has(key));
  const controllers = ownerReferences?.filter(({ controller }) => controller === true);
  return {
    ...rest,
    ...(read.length > 0 && { annotations: Object.fromEntries(read) }),
    ...(controllers && controllers.length > 0 && { ownerReferences: controllers }),
  };
}
