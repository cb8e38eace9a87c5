// SPDX-License-Identifier: Apache-2.0
import type {
  ConfigMap,
  Deployment,
  EndpointSlice,
  Node,
  Pod,
  ReplicaSet,
  Service as KubernetesService,
} from "@ambientmesh/api/kubernetes";
import type { Clock, Logger, Service } from "@ambientmesh/core";
import { RESOURCES, createInformers, type KubeClient, type Store } from "@ambientmesh/kube";

/** Live copies of what the controllers, kubelets and proxies of a mesh look at. */
export interface ClusterState {
  readonly nodes: Store<Node>;
  readonly pods: Store<Pod>;
  readonly services: Store<KubernetesService>;
  readonly endpointSlices: Store<EndpointSlice>;
  readonly deployments: Store<Deployment>;
  readonly replicaSets: Store<ReplicaSet>;
  readonly configMaps: Store<ConfigMap>;
}

/** What every controller stands on. */
export interface ControllerDeps {
  readonly client: KubeClient;
  readonly state: ClusterState;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Makes the live copies; they are filled when `start` resolves. */
export function createClusterState(deps: {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}): Service & { readonly state: ClusterState } {
  const informers = createInformers(deps);
  const state: ClusterState = {
    nodes: informers.informer({ resource: RESOURCES.Node }).store,
    pods: informers.informer({ resource: RESOURCES.Pod }).store,
    services: informers.informer({ resource: RESOURCES.Service }).store,
    endpointSlices: informers.informer({ resource: RESOURCES.EndpointSlice }).store,
    deployments: informers.informer({ resource: RESOURCES.Deployment }).store,
    replicaSets: informers.informer({ resource: RESOURCES.ReplicaSet }).store,
    configMaps: informers.informer({ resource: RESOURCES.ConfigMap }).store,
  };
  return {
    state,
    start: (signal) => informers.start(signal),
    [Symbol.asyncDispose]: () => informers[Symbol.asyncDispose](),
  };
}
