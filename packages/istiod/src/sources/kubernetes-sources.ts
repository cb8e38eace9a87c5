// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import type { Clock, Logger, Metrics, Service } from "@ambientmesh/core";
import {
  RESOURCES,
  createInformers,
  slimNode,
  type Informers,
  type InformerOptions,
  type KubeClient,
} from "@ambientmesh/kube";
import type { SourceCollection } from "../collections/collection.ts";
import type { MeshSources } from "../model/mesh-sources.ts";
import { GATEWAY_RESOURCES, ISTIO_RESOURCES } from "./istio-resources.ts";
import { slimEndpointSlice, slimNamespace, slimmestPod } from "./slim-objects.ts";

export interface KubernetesSourcesDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Filled by the informers. */
  readonly sources: MeshSources;
  /** Something in the sources has changed. */
  readonly onChange: () => void;
}

/** The watches that fill the model. `start` resolves when every kind was listed once; kinds that are not installed count as empty. */
export function createKubernetesSources(deps: KubernetesSourcesDeps): Service {
  const { client, clock, logger, metrics, sources, onChange } = deps;
  const informers = createInformers({ client, clock, logger, metrics });
  const events = metrics.counter({
    name: "pilot_k8s_reg_events",
    help: "Changes of objects that were read from the API.",
    labels: ["type", "event"],
  });
  const fill = fillFrom(informers, (kind, event) => events.with({ type: kind, event }).add(), onChange);
  fill(sources.namespaces, { resource: RESOURCES.Namespace, strip: slimNamespace });
  fill(sources.nodes, { resource: RESOURCES.Node, strip: slimNode });
  fill(sources.pods, { resource: RESOURCES.Pod, strip: slimmestPod });
  fill(sources.services, { resource: RESOURCES.Service });
  fill(sources.endpointSlices, { resource: RESOURCES.EndpointSlice, strip: slimEndpointSlice });
  fill(sources.authorizationPolicies, { resource: ISTIO_RESOURCES.AuthorizationPolicy });
  fill(sources.peerAuthentications, { resource: ISTIO_RESOURCES.PeerAuthentication });
  fill(sources.serviceEntries, { resource: ISTIO_RESOURCES.ServiceEntry });
  fill(sources.workloadEntries, { resource: ISTIO_RESOURCES.WorkloadEntry });
  fill(sources.gateways, { resource: GATEWAY_RESOURCES.Gateway });
  fill(sources.gatewayClasses, { resource: GATEWAY_RESOURCES.GatewayClass });
  return informers;
}

type Fill = <T extends KubernetesObject>(source: SourceCollection<T>, options: InformerOptions<T>) => void;

function fillFrom(informers: Informers, count: (kind: string, event: string) => void, onChange: () => void): Fill {
  return (source, options) => {
    informers.informer(options).store.subscribe((changes) => {
      for (const { key, before, after } of changes) {
        if (after === undefined) source.delete(key);
        else source.set(key, after);
        const event = before === undefined ? "add" : "update";
        count(options.resource.kind, after === undefined ? "delete" : event);
      }
      onChange();
    });
  };
}
