// SPDX-License-Identifier: Apache-2.0
import { kubeErrors } from "../errors.ts";
import type { ObjectRef, Resource } from "../resource.ts";

/** Query parameters; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The path of a collection, of one namespace or of all. */
export function collectionPath(resource: Resource, namespace: string | undefined): string {
  const { apiVersion, plural, isNamespaced } = resource;
  const root = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = isNamespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${place}/${plural}`;
}

/**
 * The path of an object or of one of its subresources.
 * @throws MeshError KUBE_BAD_REQUEST when the name is empty, or the namespace of a namespaced kind.
 */
export function objectPath(resource: Resource, ref: ObjectRef, subresource?: string): string {
  if (ref.name === "") throw kubeErrors.create("KUBE_BAD_REQUEST", `a ${resource.kind} without a name was asked for`);
  const path = `${collectionPath(resource, requiredNamespace(resource, ref))}/${encodeURIComponent(ref.name)}`;
  return subresource === undefined ? path : `${path}/${subresource}`;
}

/** The namespace in which an object is to be written. @throws MeshError KUBE_BAD_REQUEST when the kind needs one. */
export function requiredNamespace(resource: Resource, { name, namespace }: ObjectRef): string | undefined {
  if (!resource.isNamespaced || (namespace !== undefined && namespace !== "")) return namespace;
  throw kubeErrors.create("KUBE_BAD_REQUEST", `the ${resource.kind} "${name}" needs a namespace`);
}

/** The path with its query. */
export function withQuery(path: string, query: Query): string {
  const parameters = Object.entries(query).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, String(value)]],
  );
  return parameters.length === 0 ? path : `${path}?${new URLSearchParams(parameters).toString()}`;
}
