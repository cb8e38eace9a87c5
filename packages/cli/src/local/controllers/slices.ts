// SPDX-License-Identifier: Apache-2.0
import { createHash } from "node:crypto";
import { KEYS } from "@ambientmesh/api";
import type { Endpoint, EndpointSlice, Pod, Service, ServicePort } from "@ambientmesh/api/kubernetes";
import { controlledBy } from "./pods-of-owner.ts";

const MANAGED_BY = "endpointslice.kubernetes.io/managed-by";
/** Who looks after the slices of services with a selector. */
export const SLICE_MANAGER = "endpointslice-controller.k8s.io";

type SlicePort = NonNullable<EndpointSlice["ports"]>[number];

/**
 * The slices of a service: one for each set of port numbers, since named target ports may mean different numbers in
 * different pods. None for a service without a selector, whose endpoints are somebody else's.
 */
export function slicesOf(service: Service, pods: readonly Pod[]): readonly EndpointSlice[] {
  const { selector = {}, type } = service.spec;
  if (Object.keys(selector).length === 0 || type === "ExternalName") return [];
  const byPorts = new Map<string, { readonly ports: readonly SlicePort[]; readonly endpoints: Endpoint[] }>();
  for (const pod of pods.filter((candidate) => isEndpoint(service, selector, candidate)).toSorted(byName)) {
    const ports = (service.spec.ports ?? []).flatMap((port) => slicePort(port, pod));
    const key = JSON.stringify(ports);
    const group = byPorts.get(key) ?? { ports, endpoints: [] };
    byPorts.set(key, group);
    group.endpoints.push(endpointOf(service, pod));
  }
  return [...byPorts].map(([key, { ports, endpoints }]) => slice(service, { key, ports, endpoints }));
}

/** True for slices that this controller has made for a service. */
export function isManagedSlice({ metadata }: EndpointSlice): boolean {
  return metadata.labels?.[MANAGED_BY] === SLICE_MANAGER;
}

/** The service a slice belongs to. */
export function serviceOfSlice({ metadata }: EndpointSlice): string | undefined {
  return metadata.labels?.[KEYS.SERVICE_NAME];
}

function slice(
  service: Service,
  {
    key,
    ports,
    endpoints,
  }: { readonly key: string; readonly ports: readonly SlicePort[]; readonly endpoints: Endpoint[] },
): EndpointSlice {
  const { name, namespace = "" } = service.metadata;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-${createHash("sha256").update(key).digest("hex").slice(0, 5)}`,
      namespace,
      labels: { [KEYS.SERVICE_NAME]: name, [MANAGED_BY]: SLICE_MANAGER },
      ownerReferences: [controlledBy(service)],
    },
    addressType: "IPv4",
    endpoints,
    ports,
  };
}

function isEndpoint({ metadata }: Service, selector: Readonly<Record<string, string>>, pod: Pod): boolean {
  const { labels = {}, namespace } = pod.metadata;
  const isSelected = Object.entries(selector).every(([key, value]) => labels[key] === value);
  const hasEnded = pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  return isSelected && namespace === metadata.namespace && (pod.status?.podIP ?? "") !== "" && !hasEnded;
}

const byName = (a: Pod, b: Pod): number => (a.metadata.name < b.metadata.name ? -1 : 1);

function slicePort({ name, targetPort, port, protocol = "TCP" }: ServicePort, pod: Pod): readonly SlicePort[] {
  const wanted = targetPort ?? port;
  const number =
    typeof wanted === "number"
      ? wanted
      : pod.spec.containers
          .flatMap(({ ports = [] }) => ports)
          .find((candidate) => candidate.name === wanted && (candidate.protocol ?? "TCP") === protocol)?.containerPort;
  return number === undefined ? [] : [{ ...(name !== undefined && { name }), port: number, protocol }];
}

/** Conditions as in Kubernetes: a pod that ends may still serve, but is not ready for new connections. */
function endpointOf({ spec }: Service, { metadata, spec: podSpec, status }: Pod): Endpoint {
  const isServing = status?.conditions?.find(({ type }) => type === "Ready")?.status === "True";
  const isTerminating = metadata.deletionTimestamp !== undefined;
  const ready = spec.publishNotReadyAddresses === true || (isServing && !isTerminating);
  const { name, namespace = "", uid = "" } = metadata;
  return {
    addresses: [status?.podIP ?? ""],
    conditions: { ready, serving: isServing, terminating: isTerminating },
    targetRef: { kind: "Pod", namespace, name, uid },
    ...(podSpec.nodeName !== undefined && { nodeName: podSpec.nodeName }),
  };
}
