// SPDX-License-Identifier: Apache-2.0
import { isIPv4, isIPv6 } from "node:net";
import { KEYS } from "@ambientmesh/api";
import type { EndpointSlice } from "@ambientmesh/api/kubernetes";
import { objectKey, type Store } from "@ambientmesh/kube";
import type { ClusterState } from "../controllers/cluster-state.ts";
import { CLUSTER_DOMAIN } from "../topology.ts";

/** What a name of the cluster stands for. */
export type NameContent =
  | { readonly kind: "addresses"; readonly addresses: readonly string[] }
  | { readonly kind: "alias"; readonly target: string }
  | { readonly kind: "servers"; readonly servers: readonly ServerRecord[] }
  /** There are names below it, but nothing here. */
  | { readonly kind: "empty" }
  | { readonly kind: "unknown" };

/** Where a named port of a service is (RFC 2782). */
export interface ServerRecord {
  readonly target: string;
  readonly port: number;
}

/** Answers what a name of the cluster stands for, after the specification of Kubernetes' DNS. */
export type NameLookup = (name: string) => NameContent;

const UNKNOWN: NameContent = { kind: "unknown" };
const EMPTY: NameContent = { kind: "empty" };
const ZONE = CLUSTER_DOMAIN.split(".");

/** The part of a name before the cluster's domain, label by label from the right; undefined for names elsewhere. */
export function labelsInZone(name: string): readonly string[] | undefined {
  const labels = name.toLowerCase().split(".");
  const isInZone = ZONE.every((label, index) => labels[labels.length - ZONE.length + index] === label);
  return isInZone ? labels.slice(0, -ZONE.length).toReversed() : undefined;
}

/** Looks names up in the live copies of services, endpoints and pods. */
export function clusterNames(state: Pick<ClusterState, "services" | "endpointSlices" | "pods">): NameLookup {
  const slices = state.endpointSlices.index((slice) => {
    const name = slice.metadata.labels?.[KEYS.SERVICE_NAME];
    return name === undefined ? [] : [objectKey({ name, namespace: slice.metadata.namespace })];
  });
  const podsByIp = state.pods.index(({ metadata, status }) =>
    status?.podIP === undefined ? [] : [`${metadata.namespace}/${status.podIP}`],
  );
  return (name) => {
    const [type, namespace, ...rest] = labelsInZone(name) ?? ["none"];
    if (type === undefined) return EMPTY;
    if (type === "svc") return serviceName(state.services, (key) => slices.get(key), { namespace, rest });
    if (type !== "pod") return UNKNOWN;
    const [host, ...more] = rest;
    if (namespace === undefined) return EMPTY;
    const address = host?.replaceAll("-", ".");
    return more.length === 0 && podsByIp.has(`${namespace}/${address}`)
      ? { kind: "addresses", addresses: [address ?? ""] }
      : UNKNOWN;
  };
}

type Services = Store<ServiceObject>;
type ServiceObject = ClusterState["services"] extends Store<infer T> ? T : never;

function serviceName(
  services: Services,
  slicesOf: (key: string) => Iterable<EndpointSlice>,
  { namespace, rest }: { readonly namespace: string | undefined; readonly rest: readonly string[] },
): NameContent {
  const [name, ...below] = rest;
  if (namespace === undefined) return EMPTY;
  if (name === undefined) {
    const hasServices = [...services.values()].some(({ metadata }) => metadata.namespace === namespace);
    return hasServices ? EMPTY : UNKNOWN;
  }
  const key = objectKey({ name, namespace });
  const service = services.get(key);
  if (service === undefined) return UNKNOWN;
  const { type, externalName = "", clusterIP = "" } = service.spec;
  const own = `${name}.${namespace}.svc.${CLUSTER_DOMAIN}`;
  if (type === "ExternalName") return below.length === 0 ? { kind: "alias", target: externalName } : UNKNOWN;
  const isHeadless = clusterIP === "None";
  const endpoints = isHeadless ? readyAddresses(slicesOf(key)) : [];
  if (below.length === 0) return { kind: "addresses", addresses: isHeadless ? endpoints : [clusterIP].filter(Boolean) };
  const [first, second, ...more] = below;
  if (more.length > 0) return UNKNOWN;
  if (first?.startsWith("_")) return portName(service, { protocol: first, port: second, own, endpoints });
  const address = first?.replaceAll("-", ".") ?? "";
  return second === undefined && endpoints.includes(address) ? { kind: "addresses", addresses: [address] } : UNKNOWN;
}

/** `_port._protocol` of a service: its own name, or for a headless one the name of each endpoint. */
function portName(
  { spec }: ServiceObject,
  parts: {
    readonly protocol: string;
    readonly port: string | undefined;
    readonly own: string;
    readonly endpoints: readonly string[];
  },
): NameContent {
  const { protocol, port, own, endpoints } = parts;
  const ofProtocol = (spec.ports ?? []).filter(
    (candidate) => `_${(candidate.protocol ?? "TCP").toLowerCase()}` === protocol,
  );
  if (port === undefined) return ofProtocol.length > 0 ? EMPTY : UNKNOWN;
  const found = ofProtocol.find(({ name }) => name !== undefined && `_${name}` === port);
  if (found === undefined) return UNKNOWN;
  const targets =
    spec.clusterIP === "None" ? endpoints.map((address) => `${address.replaceAll(".", "-")}.${own}`) : [own];
  const number = spec.clusterIP === "None" && typeof found.targetPort === "number" ? found.targetPort : found.port;
  return { kind: "servers", servers: targets.map((target) => ({ target, port: number })) };
}

function readyAddresses(slices: Iterable<EndpointSlice>): readonly string[] {
  const addresses = [...slices].flatMap(({ endpoints = [] }) =>
    endpoints.filter(({ conditions }) => conditions?.ready !== false).flatMap((endpoint) => endpoint.addresses),
  );
  return [...new Set(addresses.filter((address) => isIPv4(address) || isIPv6(address)))].toSorted();
}
