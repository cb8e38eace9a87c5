// SPDX-License-Identifier: Apache-2.0
import { isIPv4 } from "node:net";
import { KEYS } from "@ambientmesh/api";
import type { EndpointSlice, Service, ServicePort } from "@ambientmesh/api/kubernetes";
import { objectKey } from "@ambientmesh/kube";

/** An address and port behind a service. */
export interface Backend {
  readonly address: string;
  readonly port: number;
}

/** A port of a service's own address, and where its connections go. */
export interface VirtualPort {
  /** "shop/cart:http", for comments. */
  readonly name: string;
  readonly address: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  /** Ready ones; empty when there are none. In order, so that equal states look equal. */
  readonly backends: readonly Backend[];
}

/** All ports of all services that have an address of their own, in order of address and port. */
export function virtualPorts(services: Iterable<Service>, slices: Iterable<EndpointSlice>): readonly VirtualPort[] {
  const slicesByService = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const name = slice.metadata.labels?.[KEYS.SERVICE_NAME];
    if (name === undefined) continue;
    const key = objectKey({ name, namespace: slice.metadata.namespace });
    slicesByService.set(key, [...(slicesByService.get(key) ?? []), slice]);
  }
  return [...services]
    .flatMap((service) => portsOf(service, slicesByService.get(objectKey(service.metadata)) ?? []))
    .toSorted((a, b) => compareTexts(a.address, b.address) || a.port - b.port || compareTexts(a.protocol, b.protocol));
}

function compareTexts(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

function portsOf({ metadata, spec }: Service, slices: readonly EndpointSlice[]): readonly VirtualPort[] {
  const { clusterIP = "", ports = [] } = spec;
  if (!isIPv4(clusterIP)) return [];
  return ports.flatMap((port) => {
    const protocol = (port.protocol ?? "TCP").toLowerCase();
    if (protocol !== "tcp" && protocol !== "udp") return [];
    const name = `${objectKey(metadata)}:${port.name ?? port.port}`;
    return [{ name, address: clusterIP, protocol, port: port.port, backends: backendsOf(port, slices) }];
  });
}

function backendsOf(port: ServicePort, slices: readonly EndpointSlice[]): readonly Backend[] {
  const found = slices.flatMap(({ addressType, endpoints = [], ports = [] }) => {
    const target = ports.find(
      ({ name = "", protocol = "TCP" }) => name === (port.name ?? "") && protocol === (port.protocol ?? "TCP"),
    )?.port;
    if (addressType !== "IPv4" || target === undefined) return [];
    return endpoints
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses }) => addresses.filter((address) => isIPv4(address)))
      .map((address) => ({ address, port: target }));
  });
  const unique = new Map(found.map((backend) => [`${backend.address}:${backend.port}`, backend]));
  return [...unique].toSorted(([a], [b]) => compareTexts(a, b)).map(([, backend]) => backend);
}
