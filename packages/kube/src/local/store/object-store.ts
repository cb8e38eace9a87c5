// SPDX-License-Identifier: Apache-2.0
import { deepFreeze } from "../../json/json.ts";
import { objectKey } from "../../resource.ts";
import { withMeta, type ApiObject } from "../objects/api-object.ts";
import { KindTable, type StoreEvent } from "./kind-table.ts";

/** Told of every change of every kind, synchronously and in order. */
export type StoreListener = (kindId: string, event: StoreEvent) => void;

/** Sizes of a store. */
export interface ObjectStoreOptions {
  /** The first resource version. Take a later one than any server before, so that old versions count as expired. */
  readonly startVersion: number;
  /** Changes remembered per kind for watches that resume. */
  readonly maxHistory: number;
}

/** All objects of a server in memory, with one counter of resource versions. Everything is synchronous and atomic. */
export class ObjectStore {
  readonly #tables = new Map<string, KindTable>();
  readonly #listeners = new Set<StoreListener>();
  readonly #options: ObjectStoreOptions;
  #version: number;

  constructor(options: ObjectStoreOptions) {
    this.#options = options;
    this.#version = options.startVersion;
  }

  /** The version of the last change. */
  get resourceVersion(): number {
    return this.#version;
  }

  /** The table of a kind ("pods", "deployments.apps"), made when first asked for. */
  table(kindId: string): KindTable {
    let table = this.#tables.get(kindId);
    if (table === undefined) {
      table = new KindTable({ maxHistory: this.#options.maxHistory, startVersion: this.#version });
      this.#tables.set(kindId, table);
    }
    return table;
  }

  /** Every table with its kind. */
  tables(): Iterable<readonly [string, KindTable]> {
    return this.#tables;
  }

  /** Stores a new or changed object under the next resource version; gives back what was stored, frozen. */
  put(kindId: string, object: ApiObject): ApiObject {
    const table = this.table(kindId);
    const before = table.get(objectKey(object.metadata));
    const after = this.#stamped(object);
    this.#commit(kindId, { resourceVersion: this.#version, ...(before && { before }), after, object: after });
    return after;
  }

  /** Removes an object; gives back its last state with the resource version of the removal. */
  remove(kindId: string, before: ApiObject): ApiObject {
    const object = this.#stamped(before);
    this.#commit(kindId, { resourceVersion: this.#version, before, object });
    return object;
  }

  /** Forgets the history of changes: every watch that would resume has to list again. */
  compact(): void {
    for (const table of this.#tables.values()) table.compact(this.#version);
  }

  /** Calls `listener` for each change of any kind until the returned handle is disposed. */
  listen(listener: StoreListener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  #stamped(object: ApiObject): ApiObject {
    this.#version++;
    return deepFreeze(withMeta(object, { resourceVersion: String(this.#version) }));
  }

  #commit(kindId: string, event: StoreEvent): void {
    this.table(kindId).commit(event);
    for (const listener of this.#listeners) listener(kindId, event);
  }
}
