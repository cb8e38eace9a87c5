// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../../errors.ts";
import { objectKey } from "../../resource.ts";
import type { ApiObject } from "../objects/api-object.ts";

/** One change of one object. Added: no `before`. Deleted: no `after`; `object` is then its last state. */
export interface StoreEvent {
  readonly resourceVersion: number;
  readonly before?: ApiObject;
  readonly after?: ApiObject;
  /** The state to show: after, or with the deletion's resource version the last one. */
  readonly object: ApiObject;
}

type Listener = (event: StoreEvent) => void;

/** The objects of one kind with a bounded history of their changes. */
export class KindTable {
  readonly #objects = new Map<string, ApiObject>();
  readonly #history: StoreEvent[] = [];
  readonly #listeners = new Set<Listener>();
  readonly #maxHistory: number;
  #forgottenVersion: number;

  constructor(options: { readonly maxHistory: number; readonly startVersion: number }) {
    this.#maxHistory = options.maxHistory;
    this.#forgottenVersion = options.startVersion;
  }

  get size(): number {
    return this.#objects.size;
  }

  get watcherCount(): number {
    return this.#listeners.size;
  }

  get(key: string): ApiObject | undefined {
    return this.#objects.get(key);
  }

  /** Sorted by namespace and name, as lists are. */
  list(namespace?: string): readonly ApiObject[] {
    const keys = [...this.#objects.keys()].filter((key) => namespace === undefined || key.startsWith(`${namespace}/`));
    return keys.sort().map((key) => this.#objects.get(key) as ApiObject);
  }

  values(): Iterable<ApiObject> {
    return this.#objects.values();
  }

  /** Records a change and tells those who watch, in the order of the changes. */
  commit(event: StoreEvent): void {
    const key = objectKey(event.object.metadata);
    if (event.after === undefined) this.#objects.delete(key);
    else this.#objects.set(key, event.after);
    this.#history.push(event);
    // Trimmed in steps, so that a change costs O(1) on average.
    if (this.#history.length > this.#maxHistory * 2) {
      const forgotten = this.#history.splice(0, this.#history.length - this.#maxHistory);
      this.#forgottenVersion = forgotten.at(-1)?.resourceVersion ?? this.#forgottenVersion;
    }
    for (const listener of this.#listeners) listener(event);
  }

  /**
   * Changes after a resource version.
   * @throws MeshError KUBE_EXPIRED when the history does not reach back that far.
   */
  since(resourceVersion: number): readonly StoreEvent[] {
    if (resourceVersion < this.#forgottenVersion) {
      const message = `too old resource version: ${resourceVersion} (${this.#forgottenVersion})`;
      throw kubeErrors.create("KUBE_EXPIRED", message);
    }
    return this.#history.filter((event) => event.resourceVersion > resourceVersion);
  }

  /** Forgets the history, as a compaction of etcd does. */
  compact(resourceVersion: number): void {
    this.#history.splice(0);
    this.#forgottenVersion = resourceVersion;
  }

  /** Calls `listener` for each change until the returned handle is disposed. */
  listen(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }
}
