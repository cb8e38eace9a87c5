// SPDX-License-Identifier: Apache-2.0
import type { Service as KubernetesService } from "@ambientmesh/api/kubernetes";
import { serviceHostname, serviceResourceName } from "./names.ts";
import { targetPortNumber } from "./service.ts";

/** A port of a service as its endpoints resolve it. */
export interface ServicePortView {
  readonly name: string;
  readonly servicePort: number;
  /** A number, or the name of a container port. */
  readonly target: number | string;
  /** A container port named like this one comes before the target (ports of a ServiceEntry). */
  readonly isNamePreferred?: boolean;
}

/** What workloads have to know of a service: whether it selects them, and which of their ports it means. */
export interface ServiceView {
  /** "namespace/hostname". */
  readonly resourceName: string;
  readonly namespace: string;
  /** Empty: the service selects nothing, its endpoints are listed in EndpointSlices. */
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly ServicePortView[];
  /** Key of the ServiceEntry it is from. */
  readonly entryKey?: string;
}

/** @returns undefined for an ExternalName service. */
export function serviceViewOf({ metadata, spec }: KubernetesService, domain: string): ServiceView | undefined {
  if (spec.type === "ExternalName") return undefined;
  const { name, namespace = "" } = metadata;
  return {
    resourceName: serviceResourceName(namespace, serviceHostname(name, namespace, domain)),
    namespace,
    selector: spec.selector ?? {},
    ports: (spec.ports ?? []).map((port) => ({
      name: port.name ?? "",
      servicePort: port.port,
      target: targetPortNumber(port) ?? String(port.targetPort),
    })),
  };
}
