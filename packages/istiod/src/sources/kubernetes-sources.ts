// SPDX-License-Identifier: Apache-2.0
import type { Clock, Logger, MeshError, Metrics, Service } from "@ambientmesh/core";
import { createInformers, type Informers, type KubeClient } from "@ambientmesh/kube";
import type { Readiness } from "@ambientmesh/telemetry";
import type { MeshSources } from "../model/mesh-sources.ts";
import { forEachSource, type SourceVisitor } from "./source-kinds.ts";

export interface KubernetesSourcesDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Says which kinds could not be read yet. */
  readonly readiness: Pick<Readiness, "begin">;
  /** Filled by the informers. */
  readonly sources: MeshSources;
  /** Something in the sources has changed. */
  readonly onChange: () => void;
}

/**
 * The watches that fill the model. `start` resolves when every kind was listed once; kinds that are not installed, and optional
 * ones that may not be read, count as empty.
 */
export function createKubernetesSources(deps: KubernetesSourcesDeps): Service {
  const { client, clock, logger, metrics, readiness, sources, onChange } = deps;
  const informers = createInformers({ client, clock, logger, metrics });
  const events = metrics.counter({
    name: "pilot_k8s_reg_events",
    help: "Changes of objects that were read from the API.",
    labels: ["type", "event"],
  });
  const count = (type: string, event: string): void => events.with({ type, event }).add();
  forEachSource(sources, fillFrom({ informers, readiness, count, onChange }));
  return informers;
}

interface Filling extends Pick<KubernetesSourcesDeps, "readiness" | "onChange"> {
  readonly informers: Informers;
  readonly count: (kind: string, event: string) => void;
}

function fillFrom({ informers, readiness, count, onChange }: Filling): SourceVisitor {
  return (source, options) => {
    const { plural, kind } = options.resource;
    const pending = new PendingKind(readiness, plural);
    const { store } = informers.informer({ ...options, onFailure: (error) => pending.failed(error) });
    void store.whenSynced().then(() => pending[Symbol.dispose]());
    store.subscribe((changes) => {
      for (const { key, before, after } of changes) {
        if (after === undefined) source.delete(key);
        else source.set(key, after);
        const event = before === undefined ? "add" : "update";
        count(kind, after === undefined ? "delete" : event);
      }
      onChange();
    });
  };
}

/** Keeps istiod from being ready until a kind was read, and says so if it is permission that lacks. */
class PendingKind implements Disposable {
  readonly #readiness: Pick<Readiness, "begin">;
  readonly #plural: string;
  #task: Disposable | undefined;

  constructor(readiness: Pick<Readiness, "begin">, plural: string) {
    this.#readiness = readiness;
    this.#plural = plural;
    this.#task = readiness.begin(`reading ${plural}`);
  }

  failed({ code }: MeshError): void {
    if (!this.#task) return;
    this.#task[Symbol.dispose]();
    const what = code === "KUBE_FORBIDDEN" ? "permission to read" : "reading";
    this.#task = this.#readiness.begin(`${what} ${this.#plural}`);
  }

  [Symbol.dispose](): void {
    this.#task?.[Symbol.dispose]();
    this.#task = undefined;
  }
}
