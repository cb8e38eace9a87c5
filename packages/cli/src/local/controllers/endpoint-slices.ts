// SPDX-License-Identifier: Apache-2.0
import { isDeepStrictEqual } from "node:util";
import { KEYS } from "@ambientmesh/api";
import type { EndpointSlice, Pod } from "@ambientmesh/api/kubernetes";
import { RESOURCES, objectKey, parseObjectKey } from "@ambientmesh/kube";
import type { ControllerDeps } from "./cluster-state.ts";
import { Reconciler } from "./reconciler.ts";
import { isManagedSlice, serviceOfSlice, slicesOf } from "./slices.ts";

/** Keeps the EndpointSlices of each Service that selects pods. */
export function startEndpointSlices(deps: ControllerDeps): AsyncDisposable {
  const { client, state } = deps;
  const podsByNamespace = state.pods.index(({ metadata }) => [metadata.namespace ?? ""]);

  async function reconcile(key: string, signal: AbortSignal): Promise<void> {
    const ref = parseObjectKey(key);
    const service = state.services.get(key);
    const pods = [...podsByNamespace.get(ref.namespace ?? "")];
    const wanted = service === undefined ? [] : slicesOf(service, pods);
    const labelSelector = `${KEYS.SERVICE_NAME}=${ref.name}`;
    const found = await client.list(RESOURCES.EndpointSlice, { namespace: ref.namespace, labelSelector, signal });
    const present = new Map(found.filter(isManagedSlice).map((slice) => [slice.metadata.name, slice]));
    for (const slice of wanted) {
      await write(slice, present.get(slice.metadata.name), signal);
      present.delete(slice.metadata.name);
    }
    for (const { metadata } of present.values()) await client.delete(RESOURCES.EndpointSlice, metadata, { signal });
  }

  async function write(wanted: EndpointSlice, present: EndpointSlice | undefined, signal: AbortSignal): Promise<void> {
    if (present === undefined) {
      await client.create(RESOURCES.EndpointSlice, wanted, { signal });
      return;
    }
    const { endpoints = [], ports = [] } = wanted;
    const isSame = isDeepStrictEqual([endpoints, ports], [present.endpoints ?? [], present.ports ?? []]);
    if (!isSame) await client.mergePatch(RESOURCES.EndpointSlice, present.metadata, { endpoints, ports }, { signal });
  }

  const reconciler = new Reconciler({ name: "endpoint-slices", reconcile }, deps);
  const servicesByNamespace = state.services.index(({ metadata }) => [metadata.namespace ?? ""]);
  const addNamespaceOf = (pod: Pod | undefined): void => {
    for (const { metadata } of servicesByNamespace.get(pod?.metadata.namespace ?? ""))
      reconciler.add(objectKey(metadata));
  };
  const stack = new AsyncDisposableStack();
  stack.use(reconciler);
  stack.use(
    state.services.subscribe((changes) => {
      for (const { key } of changes) reconciler.add(key);
    }),
  );
  stack.use(
    state.pods.subscribe((changes) => {
      for (const { before, after } of changes) addNamespaceOf(after ?? before);
    }),
  );
  stack.use(
    state.endpointSlices.subscribe((changes) => {
      for (const { before, after } of changes) {
        const slice = after ?? before;
        const service = slice && serviceOfSlice(slice);
        if (service !== undefined) reconciler.add(objectKey({ name: service, namespace: slice?.metadata.namespace }));
      }
    }),
  );
  return stack;
}
