// SPDX-License-Identifier: Apache-2.0
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ServiceSchema,
  WorkloadSchema,
  type GatewayAddressSchema,
  type LoadBalancingSchema,
  type NetworkAddressSchema,
  type PortSchema,
} from "@ambientmesh/api/workload";
import { canonicalIp, ipToBytes } from "../net/address.ts";
import { decodeService } from "../state/decode-service.ts";
import { decodeWorkload } from "../state/decode-workload.ts";
import type { Decoded } from "../state/decoded.ts";
import type { Service, Workload } from "../state/model.ts";
import { invalid, textOf, YamlMapping } from "./yaml-mapping.ts";

// Names to the numbers of protobuf enums (Istio 1.31 workload.proto); the first is the default.
const PROTOCOLS = { TCP: 0, HBONE: 1 } as const;
const WORKLOAD_TYPES = { deployment: 0, cronjob: 1, pod: 2, job: 3 } as const;
const STATUSES = { Healthy: 0, Unhealthy: 1 } as const;
const NETWORK_MODES = { Standard: 0, HostNetwork: 1 } as const;
const TUNNEL_PROTOCOLS = { NONE: 0, PROXY: 1 } as const;
const LB_SCOPES = { Region: 1, Zone: 2, Subzone: 3, Node: 4, Cluster: 5, Network: 6 } as const;
const LB_MODES = { Standard: 0, Strict: 1, Failover: 2, Passthrough: 3 } as const;
const HEALTH_POLICIES = { OnlyHealthy: 0, AllowAll: 1 } as const;
const FAMILIES = { Automatic: 0, IPv4: 1, IPv6: 2, Dual: 3 } as const;
const VISIBILITIES = { Public: 0, Namespace: 1 } as const;

const DEFAULT_HBONE_PORT = 15_008;

/** A workload under the names of `config_dump`, with the services it is part of. */
export function readWorkload(path: string, value: unknown): Workload {
  const yaml = new YamlMapping(path, value);
  const namespace = yaml.required("namespace");
  const name = yaml.text("name");
  const tunnel = yaml.mapping("applicationTunnel");
  const locality = yaml.mapping("locality");
  const proto = create(WorkloadSchema, {
    uid: yaml.text("uid", `local//${textOf(yaml.pathOf("namespace"), namespace)}/${name}`),
    name,
    namespace: textOf(yaml.pathOf("namespace"), namespace),
    addresses: (yaml.required("workloadIps"), yaml.texts("workloadIps")).map((ip) =>
      bytesOf(yaml.pathOf("workloadIps"), ip),
    ),
    services: servicesOf(yaml),
    tunnelProtocol: yaml.choice("protocol", PROTOCOLS),
    networkMode: yaml.choice("networkMode", NETWORK_MODES),
    status: yaml.choice("status", STATUSES),
    workloadType: yaml.choice("workloadType", WORKLOAD_TYPES),
    clusterId: yaml.text("clusterId"),
    capacity: yaml.number("capacity", 1),
    trustDomain: yaml.text("trustDomain"),
    serviceAccount: yaml.text("serviceAccount"),
    network: yaml.text("network"),
    workloadName: yaml.text("workloadName"),
    canonicalName: yaml.text("canonicalName"),
    canonicalRevision: yaml.text("canonicalRevision"),
    hostname: yaml.text("hostname"),
    node: yaml.text("node"),
    nativeTunnel: yaml.flag("nativeTunnel"),
    authorizationPolicies: [...yaml.texts("authorizationPolicies")],
    ...(tunnel && {
      applicationTunnel: { protocol: tunnel.choice("protocol", TUNNEL_PROTOCOLS), port: tunnel.number("port", 0) },
    }),
    ...(locality && {
      locality: {
        region: locality.text("region"),
        zone: locality.text("zone"),
        subzone: locality.text("subzone"),
      },
    }),
    ...(yaml.has("waypoint") && { waypoint: gatewayAt(yaml, "waypoint") }),
    ...(yaml.has("networkGateway") && { networkGateway: gatewayAt(yaml, "networkGateway") }),
  });
  tunnel?.finish();
  locality?.finish();
  yaml.finish();
  return valueOf(path, decodeWorkload(proto));
}

/** A service under the names of `config_dump`. */
export function readService(path: string, value: unknown): Service {
  const yaml = new YamlMapping(path, value);
  const required = (key: string): string => textOf(yaml.pathOf(key), yaml.required(key));
  // What a dump shows of endpoints follows from the workloads here.
  yaml.get("endpoints");
  const proto = create(ServiceSchema, {
    name: required("name"),
    namespace: required("namespace"),
    hostname: required("hostname"),
    addresses: [
      ...(yaml.required("vips"), yaml.texts("vips")).map((vip) => addressOf(yaml.pathOf("vips"), vip)),
      ...yaml.list("cidrVips").map((cidr, at) => rangeOf(`${yaml.pathOf("cidrVips")}[${at}]`, cidr)),
    ],
    ports: portsOf(yaml.pathOf("ports"), yaml.required("ports")),
    subjectAltNames: [...yaml.texts("subjectAltNames")],
    ipFamilies: yaml.choice("ipFamilies", FAMILIES),
    canonical: yaml.flag("canonical"),
    visibility: yaml.choice("visibility", VISIBILITIES),
    ...loadBalancingOf(yaml.mapping("loadBalancer")),
    ...(yaml.has("waypoint") && { waypoint: gatewayAt(yaml, "waypoint") }),
    weightedWaypoints: yaml.list("weightedWaypoints").map((entry, at) => {
      const weighted = new YamlMapping(`${yaml.pathOf("weightedWaypoints")}[${at}]`, entry);
      const destination = gatewayOf(weighted.pathOf("destination"), weighted.required("destination"));
      const result = { destination, weight: weighted.number("weight", 0) };
      weighted.finish();
      return result;
    }),
  });
  yaml.finish();
  return valueOf(path, decodeService(proto));
}

function valueOf<T>(path: string, decoded: Decoded<T>): T {
  if (decoded.ok) return decoded.value;
  throw invalid(path, `is no good: ${decoded.reason}`);
}

type Gateway = MessageInitShape<typeof GatewayAddressSchema>;

const gatewayAt = (yaml: YamlMapping, key: string): Gateway => gatewayOf(yaml.pathOf(key), yaml.get(key));

/** `destination` is `network/ip` or `namespace/hostname`. */
function gatewayOf(path: string, value: unknown): Gateway {
  const yaml = new YamlMapping(path, value);
  const text = textOf(yaml.pathOf("destination"), yaml.required("destination"));
  const [first, second] = splitOnce(yaml.pathOf("destination"), text);
  const hboneMtlsPort = yaml.number("hboneMtlsPort", DEFAULT_HBONE_PORT);
  yaml.finish();
  const ip = canonicalIp(second);
  if (ip === undefined) {
    return { destination: { case: "hostname", value: { namespace: first, hostname: second } }, hboneMtlsPort };
  }
  return { destination: { case: "address", value: { network: first, address: ipToBytes(ip) } }, hboneMtlsPort };
}

function servicesOf(yaml: YamlMapping): Record<string, { ports: MessageInitShape<typeof PortSchema>[] }> {
  const path = yaml.pathOf("services");
  const services = new YamlMapping(path, yaml.required("services"));
  return Object.fromEntries(
    services.entries().map(([key, ports]) => [key, { ports: portsOf(services.pathOf(key), ports) }]),
  );
}

/** Service port to target port. */
function portsOf(path: string, value: unknown): MessageInitShape<typeof PortSchema>[] {
  const yaml = new YamlMapping(path, value);
  return yaml.entries().map(([key]) => {
    if (!/^\d{1,5}$/.test(key)) throw invalid(yaml.pathOf(key), "is not a port");
    return { servicePort: Number(key), targetPort: yaml.number(key, 0) };
  });
}

function addressOf(path: string, text: string): MessageInitShape<typeof NetworkAddressSchema> {
  const [network, ip] = splitOnce(path, text);
  return { network, address: bytesOf(path, ip) };
}

/** `{network, cidr}`. */
function rangeOf(path: string, value: unknown): MessageInitShape<typeof NetworkAddressSchema> {
  const yaml = new YamlMapping(path, value);
  const network = yaml.text("network");
  const [ip, length] = splitOnce(yaml.pathOf("cidr"), yaml.text("cidr"));
  yaml.finish();
  if (!/^\d{1,3}$/.test(length)) throw invalid(yaml.pathOf("cidr"), "is not a range of addresses");
  return { network, address: bytesOf(yaml.pathOf("cidr"), ip), length: Number(length) };
}

function loadBalancingOf(yaml: YamlMapping | undefined): {
  loadBalancing?: MessageInitShape<typeof LoadBalancingSchema>;
} {
  if (!yaml) return {};
  const routingPreference = yaml.texts("routingPreferences").map((name) => {
    const scope = Object.entries(LB_SCOPES).find(([known]) => known === name)?.[1];
    if (scope !== undefined) return scope;
    throw invalid(
      yaml.pathOf("routingPreferences"),
      `names ${name}, which is none of ${Object.keys(LB_SCOPES).join(", ")}`,
    );
  });
  const mode = yaml.choice("mode", LB_MODES);
  const healthPolicy = yaml.choice("healthPolicy", HEALTH_POLICIES);
  yaml.finish();
  return { loadBalancing: { routingPreference, mode, healthPolicy } };
}

function bytesOf(path: string, text: string): Uint8Array {
  const ip = canonicalIp(text);
  if (ip === undefined) throw invalid(path, `holds "${text}", which is no IP address`);
  return ipToBytes(ip);
}

function splitOnce(path: string, text: string): readonly [string, string] {
  const at = text.indexOf("/");
  if (at < 0) throw invalid(path, `holds "${text}" without a slash`);
  return [text.slice(0, at), text.slice(at + 1)];
}
