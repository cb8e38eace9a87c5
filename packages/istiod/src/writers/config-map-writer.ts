// SPDX-License-Identifier: Apache-2.0
import type { ConfigMap, Namespace } from "@ambientmesh/api/kubernetes";
import type { Clock, CounterSeries, Logger } from "@ambientmesh/core";
import { RESOURCES, createInformer, type KubeClient } from "@ambientmesh/kube";
import type { AuthorityKeeper } from "../certificates/authority-keeper.ts";
import type { Collection } from "../collections/collection.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { isTextCurrent, textConfigMap, wantsRoot, type DistributedText } from "./distributed-text.ts";

export interface ConfigMapWriterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Counts namespaces that were given up. */
  readonly failures: CounterSeries;
  readonly namespaces: Collection<Namespace>;
  readonly keeper: Pick<AuthorityKeeper, "authority" | "crlPem" | "subscribe">;
}

/** Keeps a text of the authority in a ConfigMap of every namespace, and repairs it when somebody else changes it. */
export class ConfigMapWriter {
  readonly #deps: ConfigMapWriterDeps;
  readonly #target: DistributedText;
  readonly #read: () => string | undefined;

  /** `read` gives the text as it is now; undefined: nothing is to be written. */
  constructor(deps: ConfigMapWriterDeps, target: DistributedText, read: () => string | undefined) {
    this.#deps = deps;
    this.#target = target;
    this.#read = read;
  }

  /** Writes until `signal` aborts. Watches only while it runs: followers don't need to know the ConfigMaps. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock, logger, namespaces, keeper } = this.#deps;
    const { name } = this.#target;
    const options = { resource: RESOURCES.ConfigMap, fieldSelector: `metadata.name=${name}` };
    await using informer = createInformer<ConfigMap>(options, { client, clock, logger });
    await informer.start(signal);
    const queue = new KeyedQueue(this.#deps, {
      work: (namespace, stop) => this.#write(namespace, informer.store.get(`${namespace}/${name}`), stop),
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
    const { client, namespaces, logger } = this.#deps;
    const namespace = namespaces.get(name);
    const text = this.#read();
    if (text === undefined || !namespace || !wantsRoot(namespace)) return;
    if (isTextCurrent(present, this.#target, text)) return;
    const { metadata, data } = textConfigMap(name, this.#target, text);
    const options = { fieldManager: this.#target.fieldManager, isForced: true, signal };
    await client.apply(RESOURCES.ConfigMap, { metadata, ...(data && { data }) }, options);
    logger.debug("ConfigMap written", { namespace: name, name: this.#target.name });
  }
}
