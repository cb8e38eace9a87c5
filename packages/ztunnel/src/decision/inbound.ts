// SPDX-License-Identifier: Apache-2.0
import { familyOf, parseAuthority, type Authority, type Ip, type SocketAddress } from "../net/address.ts";
import { refuse, type Reason, type Refusal } from "../reasons.ts";
import type { NetworkAddress, Service, ServiceEntry, Workload } from "../state/model.ts";
import type { DecisionContext } from "./context.ts";
import { isGateway } from "./gateway.ts";

/** One CONNECT request in a tunnel that a peer opened to a pod. */
export interface InboundRequest {
  /** The pod's workload. */
  readonly local: Workload;
  /** The pod's address, as the peer dialled it. */
  readonly podIp: Ip;
  readonly method: string;
  readonly authority: string;
}

export interface ToProxy {
  /** On loopback, or undefined: at the target, from the client's address. */
  readonly loopback: SocketAddress | undefined;
  /** Where the client wanted to go. */
  readonly destination: SocketAddress;
  readonly hostname: string | undefined;
}

/** What happens to it. */
export type InboundPlan =
  | {
      readonly kind: "forward";
      /** Always the address that the tunnel came to: the request supplies the port only. Policies judge by it. */
      readonly target: SocketAddress;
      /** How the app is reached, if it is a proxy that wants to be told of the connection (PROXY protocol). */
      readonly toProxy: ToProxy | undefined;
      /** The service that the authority names by hostname. */
      readonly service: Service | undefined;
    }
  | Refusal;

/** Decides about a CONNECT request, apart from policy (order of checks: ztunnel, Istio 1.31). Pure. */
export function planInbound(context: DecisionContext, request: InboundRequest): InboundPlan {
  const { local, podIp, method } = request;
  if (method !== "CONNECT") return refuse("METHOD_INVALID", `http method ${JSON.stringify(method)} is not CONNECT`);
  const authority = parseAuthority(request.authority);
  if (!authority) return refuse("AUTHORITY_INVALID", `invalid authority: ${JSON.stringify(request.authority)}`);
  if (authority.kind === "address" && !isBehind(context, request, authority.address.ip)) {
    return refuse("IP_MISMATCH", `ip mismatch: ${podIp} != ${authority.address.ip}`);
  }
  const resolved = resolvePort(context, local, authority);
  if (resolved.kind === "refuse") return resolved;
  const tunnel = local.applicationTunnel;
  const port = tunnel?.port ?? resolved.port;
  if (context.illegalPorts.has(port)) return refuse("PORT_ILLEGAL", `illegal port: ${port} belongs to the proxy`);
  const target = { ip: podIp, port };
  if (tunnel?.protocol !== "PROXY") return { kind: "forward", target, toProxy: undefined, service: resolved.service };
  const destination = destinationOf(context, authority, resolved.service);
  if (!destination) return refuse("NO_ADDRESS", `no address for the host of ${request.authority}`);
  const loopback = context.isLocalhostAppTunnel ? { ip: familyOf(podIp) === 4 ? "127.0.0.1" : "::1", port } : undefined;
  const hostname = authority.kind === "hostname" ? authority.hostname : undefined;
  return { kind: "forward", target, toProxy: { loopback, destination, hostname }, service: resolved.service };
}

/** The authority as an address: for a host one of its service's, of our network and of IPv4 if there is a choice. */
function destinationOf(
  { network }: DecisionContext,
  authority: Authority,
  service: Service | undefined,
): SocketAddress | undefined {
  if (authority.kind === "address") return authority.address;
  const rank = (vip: NetworkAddress): number => (vip.network === network ? 2 : 0) + (familyOf(vip.ip) === 4 ? 1 : 0);
  const [best] = (service?.vips ?? []).toSorted((a, b) => rank(b) - rank(a));
  return best && { ip: best.ip, port: authority.port };
}

/** Whether traffic to an address may be delivered here: it is ours, or we are the waypoint in front of it. */
function isBehind(context: DecisionContext, { local, podIp }: InboundRequest, ip: Ip): boolean {
  if (ip === podIp || local.applicationTunnel) return true;
  const address = { network: context.network, ip };
  const service = context.state.services.byAddress(address)?.service;
  const workload = context.state.workloads.byAddress(address);
  const claim = { kind: "workload", uid: local.uid, ip: podIp } as const;
  return [
    service?.waypoint,
    ...(service?.weightedWaypoints ?? []).map(({ gateway }) => gateway),
    workload?.waypoint,
  ].some((gateway) => gateway !== undefined && isGateway(context, gateway, claim));
}

type ResolvedPort = { readonly kind: "port"; readonly port: number; readonly service: Service | undefined } | Refusal;

function resolvePort(context: DecisionContext, local: Workload, authority: Authority): ResolvedPort {
  if (authority.kind === "address") return { kind: "port", port: authority.address.port, service: undefined };
  const { hostname, port: servicePort } = authority;
  const service = context.state.services.byHostname(hostname, local.namespace)?.service;
  if (!service) return refuse("SERVICE_UNKNOWN", `no service for hostname: ${hostname}`);
  const port =
    local.services.get(`${service.namespace}/${hostname}`)?.get(servicePort) || service.ports.get(servicePort);
  if (!port) return refuse("PORT_UNKNOWN", `no port for service: ${hostname}:${servicePort}`);
  return { kind: "port", port, service };
}

/** The HTTP status that a refused CONNECT is answered with (ztunnel, Istio 1.31). */
export function statusOf(reason: Reason): 400 | 401 | 503 {
  switch (reason) {
    case "METHOD_INVALID":
    case "AUTHORITY_INVALID":
    case "IP_MISMATCH":
      return 400;
    case "POLICY_DENIED":
    case "POLICY_CHANGED":
      return 401;
    default:
      return 503;
  }
}

/**
 * The service that an inbound connection is counted for: the one that the client says it meant, if it is one of ours,
 * else the first that has the port.
 */
export function inboundService(
  context: DecisionContext,
  local: Workload,
  hint: { readonly port: number; readonly forwardedHost: string | undefined },
): Service | undefined {
  const entries = [...local.services.keys()]
    .map((key) => context.state.services.byKey(key))
    .filter((entry): entry is ServiceEntry => entry !== undefined);
  const meant = entries.find(({ service }) => service.hostname === hint.forwardedHost);
  const entry = meant ?? entries.find((candidate) => hasTargetPort(candidate, local, hint.port));
  return entry?.service;
}

function hasTargetPort({ service }: ServiceEntry, local: Workload, port: number): boolean {
  const own = local.services.get(`${service.namespace}/${service.hostname}`);
  return [...service.ports.values()].includes(port) || [...(own?.values() ?? [])].includes(port);
}
