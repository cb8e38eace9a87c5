// SPDX-License-Identifier: Apache-2.0
import type { EndpointSlice, Node, Pod, PodSpec, PodStatus, Service } from "@ambientmesh/api/kubernetes";
import type { Store } from "@ambientmesh/kube";

/** A pod with a uid made from its name. */
export function pod(
  key: string,
  parts: {
    readonly labels?: Record<string, string>;
    readonly annotations?: Record<string, string>;
    readonly spec?: Partial<PodSpec>;
    readonly status?: PodStatus;
    readonly owner?: string;
    readonly metadata?: Partial<Pod["metadata"]>;
  } = {},
): Pod {
  const [namespace = "", name = ""] = key.split("/");
  const { labels = {}, annotations = {}, spec, status, owner, metadata } = parts;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      namespace,
      name,
      uid: `uid-${name}`,
      labels,
      annotations,
      ...(owner !== undefined && {
        ownerReferences: [
          { apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: `uid-${owner}`, controller: true },
        ],
      }),
      ...metadata,
    },
    spec: { containers: [{ name: "app", command: ["true"] }], ...spec },
    ...(status !== undefined && { status }),
  };
}

/** Status of a pod with an address that is ready or not. */
export function podStatusOf(ip: string, isReady = true): PodStatus {
  return { phase: "Running", podIP: ip, conditions: [{ type: "Ready", status: isReady ? "True" : "False" }] };
}

export function service(key: string, spec: Service["spec"]): Service {
  const [namespace = "", name = ""] = key.split("/");
  return { apiVersion: "v1", kind: "Service", metadata: { namespace, name, uid: `uid-${name}` }, spec };
}

export function slice(
  serviceKey: string,
  addresses: readonly string[],
  parts: Partial<EndpointSlice> = {},
): EndpointSlice {
  const [namespace = "", name = ""] = serviceKey.split("/");
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { namespace, name: `${name}-1`, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    ...parts,
  };
}

export function node(name: string, spec: Node["spec"] = {}): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    spec,
  };
}

/** A store that does not change. */
export function storeOf<T extends { readonly metadata: { readonly name: string; readonly namespace?: string } }>(
  objects: readonly T[],
): Store<T> {
  const keyOf = ({ metadata: { name, namespace } }: T): string =>
    namespace === undefined ? name : `${namespace}/${name}`;
  const byKey = new Map(objects.map((object) => [keyOf(object), object]));
  return {
    size: byKey.size,
    isSynced: true,
    get: (key) => byKey.get(key),
    values: () => byKey.values(),
    entries: () => byKey.entries(),
    index: (valuesOf) => {
      const found = (value: string): T[] => objects.filter((object) => [...valuesOf(object)].includes(value));
      return {
        get: found,
        has: (value) => found(value).length > 0,
        values: () => new Set(objects.flatMap((object) => [...valuesOf(object)])).values(),
      };
    },
    subscribe: () => ({ [Symbol.dispose]: () => {} }),
    whenSynced: async () => {},
  };
}

/** Lets everything run that promises have made ready. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
