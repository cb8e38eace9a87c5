// SPDX-License-Identifier: Apache-2.0
import {
  Action,
  Scope,
  type Address,
  type Authorization,
  type Match,
  type StringMatch,
} from "@ambientmesh/api/security";
import { ipFromBytes } from "../net/address.ts";
import {
  addressKey,
  serviceKey,
  type Endpoint,
  type GatewayAddress,
  type PortMap,
  type ServiceEntry,
  type Workload,
} from "../state/model.ts";

type Json = Readonly<Record<string, unknown>>;

/** Leaves out what is empty, as ztunnel does with defaults. */
function present(values: Json): Json {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => !isEmpty(value)));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === "" || value === false) return true;
  return Array.isArray(value) && value.length === 0;
}

function dumpGateway(gateway: GatewayAddress): Json {
  const { destination, hboneMtlsPort } = gateway;
  return {
    destination: destination.kind === "address" ? addressKey(destination) : serviceKey(destination),
    hboneMtlsPort,
  };
}

/** A workload under the names of ztunnel's config_dump (Istio 1.31). */
export function dumpWorkload(workload: Workload): Json {
  const { applicationTunnel: tunnel, locality } = workload;
  return {
    workloadIps: workload.addresses,
    protocol: workload.protocol,
    networkMode: workload.networkMode,
    name: workload.name,
    namespace: workload.namespace,
    status: workload.status,
    clusterId: workload.clusterId,
    capacity: workload.capacity,
    ...present({
      uid: workload.uid,
      trustDomain: workload.trustDomain,
      serviceAccount: workload.serviceAccount,
      network: workload.network,
      workloadName: workload.workloadName,
      workloadType: workload.workloadType,
      canonicalName: workload.canonicalName,
      canonicalRevision: workload.canonicalRevision,
      hostname: workload.hostname,
      node: workload.node,
      nativeTunnel: workload.nativeTunnel,
      authorizationPolicies: workload.authorizationPolicies,
      services: [...workload.services.keys()],
      applicationTunnel: tunnel && present({ protocol: tunnel.protocol, port: tunnel.port }),
      waypoint: workload.waypoint && dumpGateway(workload.waypoint),
      networkGateway: workload.networkGateway && dumpGateway(workload.networkGateway),
      locality:
        locality.region === "" && locality.zone === "" && locality.subzone === ""
          ? undefined
          : present({ ...locality }),
    }),
  };
}

const portsOf = (ports: PortMap): Json => Object.fromEntries(ports);

export function dumpEndpoints(endpoints: ReadonlyMap<string, Endpoint>): Json {
  const dump = ({ workload: { uid, status }, ports }: Endpoint): Json => ({
    workloadUid: uid,
    port: portsOf(ports),
    status,
  });
  return Object.fromEntries([...endpoints].map(([uid, endpoint]) => [uid, dump(endpoint)]));
}

/** A service with its endpoints. */
export function dumpService({ service, endpoints }: ServiceEntry): Json {
  return {
    name: service.name,
    namespace: service.namespace,
    hostname: service.hostname,
    vips: service.vips.map(addressKey),
    ports: portsOf(service.ports),
    endpoints: dumpEndpoints(endpoints),
    subjectAltNames: service.subjectAltNames,
    canonical: service.canonical,
    visibility: service.visibility,
    ...present({
      cidrVips: service.cidrVips.map(({ network, ip, length }) => ({ network, cidr: `${ip}/${length}` })),
      waypoint: service.waypoint && dumpGateway(service.waypoint),
      weightedWaypoints: service.weightedWaypoints.map(({ gateway, weight }) => ({
        destination: dumpGateway(gateway),
        weight,
      })),
      loadBalancer: service.loadBalancer,
      ipFamilies: service.ipFamilies,
    }),
  };
}

const SCOPES: Readonly<Record<number, string>> = {
  [Scope.GLOBAL]: "Global",
  [Scope.NAMESPACE]: "Namespace",
  [Scope.WORKLOAD_SELECTOR]: "WorkloadSelector",
};

/** A policy: its rules are a list of rules, each a list of clauses, each a list of matches. */
export function dumpPolicy(policy: Authorization): Json {
  return {
    name: policy.name,
    namespace: policy.namespace,
    scope: SCOPES[policy.scope] ?? `Unknown (${policy.scope})`,
    action: policy.action === Action.DENY ? "Deny" : "Allow",
    rules: policy.groups.map(({ rules }) => rules.map(({ matches }) => matches.map(dumpMatch))),
    dryRun: policy.dryRun,
  };
}

function dumpMatch(match: Match): Json {
  const accounts = (list: Match["serviceAccounts"]): readonly Json[] =>
    list.map(({ namespace, serviceAccount }) => ({ namespace, serviceAccount }));
  return present({
    namespaces: match.namespaces.map(dumpPattern),
    notNamespaces: match.notNamespaces.map(dumpPattern),
    principals: match.principals.map(dumpPattern),
    notPrincipals: match.notPrincipals.map(dumpPattern),
    serviceAccounts: accounts(match.serviceAccounts),
    notServiceAccounts: accounts(match.notServiceAccounts),
    sourceIps: match.sourceIps.map(dumpCidr),
    notSourceIps: match.notSourceIps.map(dumpCidr),
    destinationIps: match.destinationIps.map(dumpCidr),
    notDestinationIps: match.notDestinationIps.map(dumpCidr),
    destinationPorts: match.destinationPorts,
    notDestinationPorts: match.notDestinationPorts,
  });
}

function dumpPattern({ matchType }: StringMatch): Json {
  switch (matchType.case) {
    case "exact":
      return { Exact: matchType.value };
    case "prefix":
      return { Prefix: matchType.value };
    case "suffix":
      return { Suffix: matchType.value };
    case "presence":
      return { Presence: [] };
    case undefined:
      return {};
  }
}

function dumpCidr({ address, length }: Address): string {
  return `${ipFromBytes(address) ?? Buffer.from(address).toString("hex")}/${length}`;
}
