// SPDX-License-Identifier: Apache-2.0
import { AUTHORIZATION_TYPE_URL } from "@ambientmesh/api/security";
import type { KubernetesObject } from "@ambientmesh/api/kubernetes";
import { ADDRESS_TYPE_URL } from "@ambientmesh/api/workload";
import { messageOf, systemClock } from "@ambientmesh/core";
import { objectKey } from "@ambientmesh/kube";
import { ResourceCache } from "@ambientmesh/xds";
import { resourcesAsJson, type ResourceJson } from "../admin/resource-json.ts";
import { feedStore } from "../discovery/resource-feed.ts";
import { createMeshModel, type MeshModel, type MeshModelOptions } from "../model/mesh-model.ts";
import { modelStatuses, type ObjectStatus } from "../model/model-statuses.ts";
import { forEachSource } from "../sources/source-kinds.ts";

/** What istiod would send and write for a set of objects. */
export interface Translation {
  /** What a node proxy with a wildcard subscription gets, in the order in which it gets it. */
  readonly resources: readonly TranslatedResource[];
  /** Conditions that belong into the status of objects. */
  readonly statuses: readonly ObjectStatus[];
  /** Objects that can't be understood; what stands for them is in the resources. */
  readonly failures: readonly { readonly object: string; readonly reason: string }[];
  /** Objects of kinds that istiod does not read. */
  readonly ignored: readonly string[];
}

export interface TranslatedResource extends ResourceJson {
  readonly type: string;
}

/** Translates objects as the running istiod does, with the same model and the same stores. */
export function translateObjects(objects: Iterable<KubernetesObject>, options: MeshModelOptions): Translation {
  const failures: { object: string; reason: string }[] = [];
  const model = createMeshModel(options, ({ collection, key, error }) =>
    failures.push({ object: `${collection}: ${key}`, reason: messageOf(error) }),
  );
  using cache = new ResourceCache({ clock: systemClock }, { quietMs: 0, maxMs: 0 });
  const stores = [AUTHORIZATION_TYPE_URL, ADDRESS_TYPE_URL].map((type) => cache.store(type));
  const [authorizations, addresses] = stores;
  if (authorizations) feedStore(authorizations, model.authorizations);
  if (addresses) feedStore(addresses, model.addresses);
  const ignored = fill(model, objects);
  model.graph.settle();
  cache.flush();
  return {
    resources: stores.flatMap((store) =>
      [...resourcesAsJson(store)]
        .map(({ name, version, resource }) => ({ type: store.typeUrl, name, version, resource }))
        .sort(byName),
    ),
    statuses: modelStatuses(model),
    failures,
    ignored,
  };
}

/** Puts objects where informers would; any served version of a kind is good. */
function fill(model: MeshModel, objects: Iterable<KubernetesObject>): string[] {
  const puts = new Map<string, (object: KubernetesObject) => void>();
  forEachSource(model.sources, (source, { resource, strip }) => {
    puts.set(`${groupOf(resource.apiVersion)} ${resource.kind}`, (object) => {
      const { namespace, ...metadata } = object.metadata;
      const placed = resource.isNamespaced ? { ...metadata, namespace: namespace ?? "default" } : metadata;
      const typed = { ...object, apiVersion: resource.apiVersion, metadata: placed } as Parameters<
        NonNullable<typeof strip>
      >[0];
      source.set(objectKey(placed), strip ? strip(typed) : typed);
    });
  });
  const ignored: string[] = [];
  for (const object of objects) {
    const put = puts.get(`${groupOf(object.apiVersion)} ${object.kind}`);
    if (put) put(object);
    else ignored.push(`${object.kind} ${objectKey(object.metadata)}`);
  }
  return ignored;
}

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

function byName(a: ResourceJson, b: ResourceJson): number {
  return a.name < b.name ? -1 : 1;
}
