// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import type { Service } from "@ambientmesh/core";
import { createInformer, type Informer, type InformerDeps, type InformerOptions } from "./informer.ts";

/** A program's informers, started and stopped together. */
export interface Informers extends Service {
  /** Adds an informer. Only before `start`: what is added later has to be started by whoever adds it. */
  informer<T extends KubernetesObject>(options: InformerOptions<T>): Informer<T>;
  /** True when every store has been filled. */
  readonly isSynced: boolean;
}

/** Makes a set of informers over one client. `start` resolves when all are synced. */
export function createInformers(deps: InformerDeps): Informers {
  const informers: (Service & { readonly store: { readonly isSynced: boolean } })[] = [];
  return {
    informer<T extends KubernetesObject>(options: InformerOptions<T>): Informer<T> {
      const informer = createInformer(options, deps);
      informers.push(informer);
      return informer;
    },
    get isSynced() {
      return informers.every((informer) => informer.store.isSynced);
    },
    async start(signal) {
      try {
        await Promise.all(informers.map((informer) => informer.start(signal)));
      } catch (error) {
        await this[Symbol.asyncDispose]();
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(informers.map((informer) => informer[Symbol.asyncDispose]()));
    },
  };
}
