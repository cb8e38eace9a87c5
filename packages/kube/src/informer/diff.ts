// SPDX-License-Identifier: Apache-2.0
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import type { Change } from "@ambientmesh/core";
import type { WatchEvent } from "../client/watch-stream.ts";
import { objectKey } from "../resource.ts";

/** What of a store the computation of changes needs. */
interface Known<T> {
  get(key: string): T | undefined;
  entries(): Iterable<[string, T]>;
}

/**
 * Changes that bring a store to the state of a complete list: nothing for objects of the same version, removals of what
 * is not in the list. An object that was deleted and created anew under its name is a removal and an addition.
 */
export function changesToList<T extends KubernetesObject>(
  store: Known<T>,
  listed: ReadonlyMap<string, T>,
): readonly Change<T>[] {
  const changes: Change<T>[] = [];
  for (const [key, before] of store.entries()) if (!listed.has(key)) changes.push({ key, before });
  for (const [key, after] of listed) changes.push(...changesToObject(key, store.get(key), after));
  return changes;
}

/** Changes of a batch of watch events, in their order. */
export function changesOfEvents<T extends KubernetesObject>(
  store: Known<T>,
  events: readonly WatchEvent<T>[],
): readonly Change<T>[] {
  const changes: Change<T>[] = [];
  const pending = new Map<string, T | undefined>();
  for (const event of events) {
    if (event.type === "BOOKMARK") continue;
    const key = objectKey(event.object.metadata);
    const before = pending.has(key) ? pending.get(key) : store.get(key);
    const after = event.type === "DELETED" ? undefined : event.object;
    pending.set(key, after);
    if (after !== undefined) changes.push(...changesToObject(key, before, after));
    else if (before !== undefined) changes.push({ key, before });
  }
  return changes;
}

function changesToObject<T extends KubernetesObject>(
  key: string,
  before: T | undefined,
  after: T,
): readonly Change<T>[] {
  if (before === undefined) return [{ key, after }];
  if (before.metadata.uid !== after.metadata.uid)
    return [
      { key, before },
      { key, after },
    ];
  return before.metadata.resourceVersion === after.metadata.resourceVersion ? [] : [{ key, before, after }];
}
