// SPDX-License-Identifier: Apache-2.0
import type { ConfigMap, Namespace } from "@ambientmesh/api/kubernetes";
import type { Clock, CounterSeries, Logger } from "@ambientmesh/core";
import { RESOURCES, createInformer, type KubeClient } from "@ambientmesh/kube";
import type { AuthorityKeeper } from "../certificates/authority-keeper.ts";
import type { Collection } from "../collections/collection.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { ROOT_FIELD_MANAGER, isRootCurrent, rootConfigMap, wantsRoot } from "./root-config-map.ts";

export interface RootConfigMapWriterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts namespaces that were given up. */
  readonly failures: CounterSeries;
  readonly namespaces: Collection<Namespace>;
  readonly keeper: Pick<AuthorityKeeper, "authority" | "subscribe">;
}

/** Keeps the root certificate in a ConfigMap of every namespace, and repairs it when somebody else changes it. */
export class RootConfigMapWriter {
  readonly #deps: RootConfigMapWriterDeps;
  readonly #name: string;

  /** `name`: of the ConfigMap. */
  constructor(deps: RootConfigMapWriterDeps, name: string) {
    this.#deps = deps;
    this.#name = name;
  }

  /** Writes until `signal` aborts. Watches only while it runs: followers don't need to know the ConfigMaps. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, logger, namespaces, keeper } = this.#deps;
    const options = { resource: RESOURCES.ConfigMap, fieldSelector: `metadata.name=${this.#name}` };
    await using informer = createInformer<ConfigMap>(options, { client, clock, logger });
    await informer.start(signal);
    const queue = new KeyedQueue(this.#deps, {
      work: (namespace, stop) => this.#write(namespace, informer.store.get(`${namespace}/${this.#name}`), stop),
    });
    const addAll = (): void => {
      for (const [namespace] of namespaces.entries()) queue.add(namespace);
    };
    using _namespaces = namespaces.subscribe((changes) => {
      for (const { key } of changes) queue.add(key);
    });
    using _configMaps = informer.store.subscribe((changes) => {
      for (const { key } of changes) queue.add(key.slice(0, key.indexOf("/")));
    });
    using _authority = keeper.subscribe(addAll);
    addAll();
    await queue.run(signal);
  }

  async #write(name: string, present: ConfigMap | undefined, signal: AbortSignal): Promise<void> {
    const { client, keeper, namespaces, logger } = this.#deps;
    const namespace = namespaces.get(name);
    const { rootsPem } = keeper.authority;
    if (!namespace || !wantsRoot(namespace) || isRootCurrent(present, rootsPem)) return;
    const { metadata, data } = rootConfigMap({ namespace: name, name: this.#name }, rootsPem);
    const options = { fieldManager: ROOT_FIELD_MANAGER, isForced: true, signal };
    await client.apply(RESOURCES.ConfigMap, { metadata, ...(data && { data }) }, options);
    logger.debug("root certificate written", { namespace: name });
  }
}
