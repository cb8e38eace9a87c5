// SPDX-License-Identifier: Apache-2.0
import type { Change } from "@ambientmesh/core";

/**
 * Objects of one kind by key ("ns/name"), as the last sync left them. Objects are frozen: a change replaces them.
 */
export interface Store<T> {
  readonly size: number;
  get(key: string): T | undefined;
  values(): IterableIterator<T>;
  entries(): IterableIterator<[string, T]>;
  /**
   * A secondary index that is kept up to date: `valuesOf` gives the values under which an object is found.
   * Asking for it again makes another index; keep it.
   */
  index(valuesOf: (object: T) => Iterable<string>): StoreIndex<T>;
  /**
   * Calls `listener` with each set of changes that came together, after the store and its indexes have taken them.
   * What is there already comes first, at once, as additions. Listeners must not throw; what they throw is logged.
   */
  subscribe(listener: StoreListener<T>): Disposable;
  /** True from the first complete sync on. */
  readonly isSynced: boolean;
  /** Resolves with the first complete sync. @throws MeshError ABORTED when the signal aborts first. */
  whenSynced(signal?: AbortSignal): Promise<void>;
}

/** Told of changes. */
export type StoreListener<T> = (changes: readonly Change<T>[]) => void;

/** Objects by something other than their key. */
export interface StoreIndex<T> {
  /** The objects found under a value; empty if there are none. */
  get(value: string): Iterable<T>;
  has(value: string): boolean;
  /** Every value under which something is found. */
  values(): IterableIterator<string>;
}
