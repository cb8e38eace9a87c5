// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import type { ServiceEntry, ServiceEntryPort, ServiceEntrySpec } from "@ambientmesh/api/istio";
import {
  LoadBalancingSchema,
  LoadBalancing_HealthPolicy as HealthPolicy,
  LoadBalancing_Mode as Mode,
  NetworkAddressSchema,
  PortSchema,
  ServiceSchema,
  type LoadBalancing,
  type NetworkAddress,
  type Service,
} from "@ambientmesh/api/workload";
import { appProtocolOf } from "./app-protocol.ts";
import { addressRange } from "./ip-address.ts";
import { preferenceOf, trafficDistributionOf } from "./load-balancing.ts";
import { serviceResourceName } from "./names.ts";
import type { ServiceView } from "./service-view.ts";

/** One host of a ServiceEntry: a service of its own. */
export interface EntryHost {
  readonly entry: ServiceEntry;
  /** Key of the entry. */
  readonly entryKey: string;
  readonly host: string;
}

/** What the resource of a host depends on besides the entry. */
export interface EntrySurroundings {
  readonly network: string;
  readonly namespaceDistribution: string | undefined;
  /** Preferred where several namespaces have a service of this host name. */
  readonly isCanonical: boolean;
  readonly waypoint: Pick<Service, "waypoint" | "weightedWaypoints" | "ingressUseWaypoint">;
}

/** The hosts of an entry, each once. */
export function hostsOf(entry: ServiceEntry, entryKey: string): EntryHost[] {
  return [...new Set(entry.spec.hosts)].map((host) => ({ entry, entryKey, host }));
}

/** Resource name of a host's service. */
export function entryResourceName({ entry: { metadata }, host }: EntryHost): string {
  return serviceResourceName(metadata.namespace ?? "", host);
}

/** Of two entries with one host the older one counts. */
export function byAge(a: EntryHost, b: EntryHost): number {
  const age = (host: EntryHost): string => host.entry.metadata.creationTimestamp ?? "";
  if (age(a) !== age(b)) return age(a) < age(b) ? -1 : 1;
  return a.entryKey < b.entryKey ? -1 : 1;
}

/** True for "*.example.com". */
export function isWildcard(host: string): boolean {
  return host.startsWith("*");
}

/** A host of a ServiceEntry as node proxies see it. */
export function entryService({ entry, host }: EntryHost, around: EntrySurroundings): Service {
  const { metadata, spec } = entry;
  const loadBalancing = loadBalancingOf(entry, around.namespaceDistribution);
  return create(ServiceSchema, {
    name: metadata.name,
    namespace: metadata.namespace ?? "",
    hostname: host,
    addresses: addressesOf(entry, host, around.network),
    ports: (spec.ports ?? []).map((port) =>
      create(PortSchema, {
        servicePort: port.number,
        targetPort: targetOf(port),
        appProtocol: appProtocolOf({
          name: port.name,
          port: port.number,
          ...(port.protocol !== undefined && port.protocol !== "" && { appProtocol: port.protocol }),
        }),
      }),
    ),
    subjectAltNames: [...(spec.subjectAltNames ?? [])],
    canonical: around.isCanonical,
    ...around.waypoint,
    ...(loadBalancing && { loadBalancing }),
  });
}

/** The same as workloads see it. */
export function entryView(host: EntryHost): ServiceView {
  const { metadata, spec } = host.entry;
  return {
    resourceName: entryResourceName(host),
    namespace: metadata.namespace ?? "",
    selector: spec.workloadSelector?.labels ?? {},
    ports: (spec.ports ?? []).map((port) => ({
      name: port.name,
      servicePort: port.number,
      target: targetOf(port),
      isNamePreferred: true,
    })),
    entryKey: host.entryKey,
  };
}

/** True where endpoints are found by DNS. */
export function isResolvedByDns({ resolution }: ServiceEntrySpec): boolean {
  return resolution === "DNS" || resolution === "DNS_ROUND_ROBIN" || resolution === "DYNAMIC_DNS";
}

function targetOf({ number, targetPort }: ServiceEntryPort): number {
  return targetPort === undefined || targetPort === 0 ? number : targetPort;
}

/** What the entry says; otherwise what istiod has given to the host. */
function addressesOf({ spec, status }: ServiceEntry, host: string, network: string): NetworkAddress[] {
  const given = (status?.addresses ?? []).filter((address) => address.host === host).map(({ value }) => value);
  const isGivenUsed = canHaveGivenAddress(spec, host);
  const texts = spec.addresses && spec.addresses.length > 0 ? spec.addresses : isGivenUsed ? given : [];
  return texts
    .map(addressRange)
    .filter((range) => range !== undefined)
    .map(({ bytes, length }) =>
      create(NetworkAddressSchema, { network, address: bytes, ...(length !== undefined && { length }) }),
    );
}

/** True if a host may get an address from istiod: its clients don't need the one that they asked for. */
export function canHaveGivenAddress({ resolution, addresses }: ServiceEntrySpec, host: string): boolean {
  if (addresses !== undefined && addresses.length > 0) return false;
  if (resolution === undefined || resolution === "NONE") return false;
  return !isWildcard(host) || resolution === "DYNAMIC_DNS";
}

function loadBalancingOf(
  { metadata, spec }: ServiceEntry,
  namespaceWish: string | undefined,
): LoadBalancing | undefined {
  if (spec.resolution === undefined || spec.resolution === "NONE") {
    return create(LoadBalancingSchema, { mode: Mode.PASSTHROUGH, healthPolicy: HealthPolicy.ALLOW_ALL });
  }
  const preference = preferenceOf(trafficDistributionOf(metadata.annotations) ?? namespaceWish ?? "");
  return preference && create(LoadBalancingSchema, { mode: Mode.FAILOVER, routingPreference: [...preference] });
}
