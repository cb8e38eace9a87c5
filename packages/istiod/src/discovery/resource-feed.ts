// SPDX-License-Identifier: Apache-2.0
import type { ResourceInput, ResourceStore } from "@ambientmesh/xds";
import type { Collection } from "../collections/collection.ts";

/** Keeps a store of encoded resources equal to a collection of them, which has to be empty still. */
export function feedStore(store: ResourceStore, collection: Collection<ResourceInput>): Disposable {
  return collection.subscribe((changes) => {
    for (const { key, after } of changes) {
      if (after) store.set(after);
      else store.delete(key);
    }
  });
}
