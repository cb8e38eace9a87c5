// SPDX-License-Identifier: Apache-2.0
import type {
  ConfigMap,
  CustomResourceDefinition,
  Deployment,
  EndpointSlice,
  Event,
  KubernetesObject,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Secret,
  Service,
  ServiceAccount,
} from "@ambientmesh/api/kubernetes";

declare const objectType: unique symbol;

/** A kind of object as the API server serves it. The type parameter exists for the compiler only. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  /** "v1", "apps/v1". */
  readonly apiVersion: string;
  readonly kind: string;
  /** The name in URLs: "pods". */
  readonly plural: string;
  readonly isNamespaced: boolean;
  readonly [objectType]?: T;
}

/** Which object: the name, and the namespace where the kind has namespaces. */
export interface ObjectRef {
  readonly name: string;
  readonly namespace?: string | undefined;
}

function resource<T extends KubernetesObject>(
  apiVersion: T["apiVersion"],
  kind: T["kind"],
  plural: string,
  scope: "namespaced" | "cluster" = "namespaced",
): Resource<T> {
  return { apiVersion, kind, plural, isNamespaced: scope === "namespaced" };
}

/** The kinds of Kubernetes' own groups that the mesh uses, by name. */
export interface BuiltInKinds {
  readonly Namespace: Namespace;
  readonly Node: Node;
  readonly Pod: Pod;
  readonly Service: Service;
  readonly ServiceAccount: ServiceAccount;
  readonly ConfigMap: ConfigMap;
  readonly Secret: Secret;
  readonly Event: Event;
  readonly Deployment: Deployment;
  readonly ReplicaSet: ReplicaSet;
  readonly EndpointSlice: EndpointSlice;
  readonly Lease: Lease;
  readonly CustomResourceDefinition: CustomResourceDefinition;
}

/** The kinds of Kubernetes' own groups that the mesh uses. */
export const RESOURCES: { readonly [K in keyof BuiltInKinds]: Resource<BuiltInKinds[K]> } = {
  Namespace: resource("v1", "Namespace", "namespaces", "cluster"),
  Node: resource("v1", "Node", "nodes", "cluster"),
  Pod: resource("v1", "Pod", "pods"),
  Service: resource("v1", "Service", "services"),
  ServiceAccount: resource("v1", "ServiceAccount", "serviceaccounts"),
  ConfigMap: resource("v1", "ConfigMap", "configmaps"),
  Secret: resource("v1", "Secret", "secrets"),
  Event: resource("v1", "Event", "events"),
  Deployment: resource("apps/v1", "Deployment", "deployments"),
  ReplicaSet: resource("apps/v1", "ReplicaSet", "replicasets"),
  EndpointSlice: resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
  Lease: resource("coordination.k8s.io/v1", "Lease", "leases"),
  CustomResourceDefinition: resource(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    "cluster",
  ),
};

/** "ns/name", or the name alone for objects without a namespace: the key of stores and {@link Change}s. */
export function objectKey(ref: ObjectRef): string {
  return ref.namespace === undefined || ref.namespace === "" ? ref.name : `${ref.namespace}/${ref.name}`;
}

/** The reverse of {@link objectKey}. */
export function parseObjectKey(key: string): ObjectRef {
  const slash = key.indexOf("/");
  return slash < 0 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** "Pod shop/cart": how messages call an object. */
export function describeObject(kind: string, ref: ObjectRef): string {
  return `${kind} ${objectKey(ref)}`;
}
