// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import type { EndpointSlice, Pod } from "@ambientmesh/api/kubernetes";
import { PortListSchema, PortSchema, type PortList } from "@ambientmesh/api/workload";
import type { ServicePortView, ServiceView } from "./service-view.ts";

/**
 * The ports of a pod behind each of its services, by resource name in a fixed order (the encoded bytes depend on it).
 * A port whose name the pod doesn't know is left out.
 */
export function podServices(pod: Pod, services: Iterable<ServiceView>): Record<string, PortList> {
  return servicesOf(services, ({ name, target, isNamePreferred }) => {
    const named = isNamePreferred === true ? containerPort(pod, name) : undefined;
    return named ?? (typeof target === "number" ? target : containerPort(pod, target));
  });
}

/** The same for a workload that lists its ports by the names of the services' ports. */
export function entryServices(
  ports: Readonly<Record<string, number>>,
  services: Iterable<ServiceView>,
): Record<string, PortList> {
  return servicesOf(services, ({ name, target }) => {
    if (Object.hasOwn(ports, name)) return ports[name];
    return typeof target === "number" ? target : undefined;
  });
}

/** The same for an endpoint of a slice, whose ports are named like the service's and numbered like the target's. */
export function endpointServices(slice: EndpointSlice, service: ServiceView): Record<string, PortList> {
  const numbers = new Map<string, number>();
  for (const { name = "", port, protocol = "TCP" } of slice.ports ?? []) {
    if (port !== undefined && protocol === "TCP") numbers.set(name, port);
  }
  return servicesOf([service], ({ name }) => numbers.get(name));
}

function servicesOf(
  services: Iterable<ServiceView>,
  targetOf: (port: ServicePortView) => number | undefined,
): Record<string, PortList> {
  const sorted = [...services].sort((a, b) => (a.resourceName < b.resourceName ? -1 : 1));
  return Object.fromEntries(
    sorted.map(({ resourceName, ports }) => [
      resourceName,
      create(PortListSchema, {
        ports: ports.flatMap((port) => {
          const targetPort = targetOf(port);
          return targetPort === undefined ? [] : [create(PortSchema, { servicePort: port.servicePort, targetPort })];
        }),
      }),
    ]),
  );
}

/** Containers first; of the init containers only those that keep running beside them. */
function containerPort({ spec }: Pod, name: string): number | undefined {
  const sidecars = (spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  for (const { ports = [] } of [...spec.containers, ...sidecars]) {
    const port = ports.find((port) => port.name === name && (port.protocol ?? "TCP") === "TCP");
    if (port) return port.containerPort;
  }
  return undefined;
}
