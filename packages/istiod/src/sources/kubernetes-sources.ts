// SPDX-License-Identifier: Apache-2.0
import type { Clock, Logger, Metrics, Service } from "@ambientmesh/core";
import { createInformers, type Informers, type KubeClient } from "@ambientmesh/kube";
import type { MeshSources } from "../model/mesh-sources.ts";
import { forEachSource, type SourceVisitor } from "./source-kinds.ts";

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
  forEachSource(sources, fill);
  return informers;
}

function fillFrom(
  informers: Informers,
  count: (kind: string, event: string) => void,
  onChange: () => void,
): SourceVisitor {
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
