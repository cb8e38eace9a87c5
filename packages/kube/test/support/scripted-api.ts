// SPDX-License-Identifier: Apache-2.0
import type { ConfigMap, KubernetesObject } from "@ambientmesh/api/kubernetes";
import type {
  ListPage,
  ListQuery,
  ListWatchClient,
  Resource,
  WatchEvent,
  WatchQuery,
  WatchStream,
} from "../../src/index.ts";

/** What the API does with the next list: objects and version, or an error. */
export type ListStep =
  | { readonly items: readonly ConfigMap[]; readonly version: string; readonly next?: string }
  | Error;

/** What the API does with the next watch: an open stream, or an error. */
export type WatchStep = WatchScript | Error;

/** A watch that a test feeds. */
export class WatchScript implements WatchStream<ConfigMap> {
  readonly #batches: (readonly WatchEvent<ConfigMap>[] | Error | "end")[] = [];
  #wake: (() => void) | undefined;
  isDisposed = false;

  send(...events: readonly WatchEvent<ConfigMap>[]): this {
    return this.#push(events);
  }

  end(error?: Error): this {
    return this.#push(error ?? "end");
  }

  [Symbol.dispose](): void {
    this.isDisposed = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly WatchEvent<ConfigMap>[], void> {
    for (;;) {
      const batch = this.#batches.shift();
      if (batch === "end" || this.isDisposed) return;
      if (batch instanceof Error) throw batch;
      if (batch === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else yield batch;
    }
  }

  #push(batch: readonly WatchEvent<ConfigMap>[] | Error | "end"): this {
    this.#batches.push(batch);
    this.#wake?.();
    return this;
  }
}

/** An API server that does exactly what a test says, and notes what it was asked. When the script is over it is silent. */
export class ScriptedApi implements ListWatchClient {
  readonly lists: ListStep[] = [];
  readonly watches: WatchStep[] = [];
  /** "list limit=500" or "watch from=7". */
  readonly asked: string[] = [];

  async listPage<T extends KubernetesObject>(
    _resource: Resource<T>,
    query: ListQuery & { readonly limit: number; readonly continue?: string | undefined },
  ): Promise<ListPage<T>> {
    this.asked.push(`list limit=${query.limit}${query.continue === undefined ? "" : ` continue=${query.continue}`}`);
    const step = await take(this.lists, query.signal);
    if (step instanceof Error) throw step;
    const { items, version, next } = step;
    const metadata = { resourceVersion: version, ...(next !== undefined && { continue: next }) };
    return { items: items as unknown as readonly T[], metadata };
  }

  async watch<T extends KubernetesObject>(_resource: Resource<T>, query: WatchQuery): Promise<WatchStream<T>> {
    this.asked.push(`watch from=${query.resourceVersion}`);
    const step = await take(this.watches, query.signal);
    if (step instanceof Error) throw step;
    query.signal?.addEventListener("abort", () => step.end(new Error("aborted")), { once: true });
    return step as unknown as WatchStream<T>;
  }
}

async function take<T>(steps: T[], signal: AbortSignal | undefined): Promise<T> {
  const step = steps.shift();
  if (step !== undefined) return step;
  const silent = Promise.withResolvers<never>();
  signal?.addEventListener("abort", () => silent.reject(new Error("aborted")), { once: true });
  return silent.promise;
}
