// SPDX-License-Identifier: Apache-2.0
import { create } from "@bufbuild/protobuf";
import { KEYS, PORTS } from "@ambientmesh/api";
import type { Gateway, GatewayClass, RouteNamespaces } from "@ambientmesh/api/kubernetes";
import {
  ApplicationTunnel_Protocol as TunnelProtocol,
  GatewayAddressSchema,
  type GatewayAddress,
} from "@ambientmesh/api/workload";
import { addressBytes } from "./ip-address.ts";

/** How a waypoint behind a "sandwich" gets its traffic: in plain or with a PROXY header. */
export interface InboundBinding {
  readonly protocol: TunnelProtocol;
  /** 0: the port that was asked for. */
  readonly port: number;
}

/** A Gateway that can serve as a waypoint now: it has an address. */
export interface Waypoint {
  readonly namespace: string;
  readonly name: string;
  readonly hasHostname: boolean;
  /** Host name, or IP address. */
  readonly address: string;
  /** Empty: that of the cluster. */
  readonly network: string;
  readonly servesServices: boolean;
  readonly servesWorkloads: boolean;
  /** Whose objects may use it. */
  readonly admits: RouteNamespaces;
  readonly binding: InboundBinding | undefined;
  /** Whom its pods run as. */
  readonly serviceAccount: string;
}

/** @returns undefined while the Gateway has no address, as the deployment of a waypoint that starts. */
export function waypointOf(gateway: Gateway, gatewayClass: GatewayClass | undefined): Waypoint | undefined {
  const { metadata, spec, status } = gateway;
  const addresses = (status?.addresses ?? []).filter(({ value }) => value !== undefined && value !== "");
  const hostname = addresses.find(({ type }) => type === "Hostname");
  const chosen = hostname ?? addresses.find(({ value = "" }) => addressBytes(value) !== undefined);
  if (chosen?.value === undefined) return undefined;
  const traffic = metadata.labels?.[KEYS.WAYPOINT_FOR] ?? gatewayClass?.metadata.labels?.[KEYS.WAYPOINT_FOR];
  const annotation =
    metadata.annotations?.[KEYS.WAYPOINT_INBOUND_BINDING] ??
    gatewayClass?.metadata.annotations?.[KEYS.WAYPOINT_INBOUND_BINDING];
  const binding = bindingOf(annotation);
  return {
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    hasHostname: hostname !== undefined,
    address: chosen.value,
    network: metadata.labels?.[KEYS.NETWORK] ?? "",
    servesServices: traffic === undefined || traffic === "service" || traffic === "all",
    servesWorkloads: traffic === "workload" || traffic === "all",
    admits: listenerFor(spec.listeners, binding)?.allowedRoutes?.namespaces ?? {},
    binding,
    serviceAccount: metadata.annotations?.[KEYS.GATEWAY_SERVICE_ACCOUNT] ?? metadata.name,
  };
}

/** `PROXY/15088`, `PROXY`, `NONE/15080`; anything else is no binding. */
function bindingOf(text: string | undefined): InboundBinding | undefined {
  const match = /^(?<protocol>PROXY|NONE)(?:\/(?<port>\d{1,5}))?$/.exec(text ?? "");
  const port = Number(match?.groups?.["port"] ?? 0);
  if (!match || port > 65_535) return undefined;
  return { protocol: match.groups?.["protocol"] === "PROXY" ? TunnelProtocol.PROXY : TunnelProtocol.NONE, port };
}

function listenerFor(
  listeners: Gateway["spec"]["listeners"] = [],
  binding: InboundBinding | undefined,
): (typeof listeners)[number] | undefined {
  const bound = binding && binding.port > 0 && listeners.find(({ port }) => port === binding.port);
  return bound || listeners.find(({ protocol, port }) => protocol === "HBONE" && port === PORTS.HBONE);
}

/** Where clients reach the waypoint; always over HBONE. */
export function waypointAddress(
  { namespace, hasHostname, address, network }: Waypoint,
  clusterNetwork: string,
): GatewayAddress {
  return create(GatewayAddressSchema, {
    destination: hasHostname
      ? { case: "hostname", value: { namespace, hostname: address } }
      : {
          case: "address",
          value: { network: network || clusterNetwork, address: addressBytes(address) ?? new Uint8Array() },
        },
    hboneMtlsPort: PORTS.HBONE,
  });
}
