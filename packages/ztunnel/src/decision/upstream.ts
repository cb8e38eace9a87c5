// SPDX-License-Identifier: Apache-2.0
import type { SpiffeId } from "@ambientmesh/spiffe";
import { familyOf, type Ip, type SocketAddress } from "../net/address.ts";
import type { NetworkAddress, Service, ServiceEntry, Workload } from "../state/model.ts";
import type { DecisionContext } from "./context.ts";
import { pickEndpoint } from "./load-balancer.ts";

/** A workload that was chosen to serve a connection. */
export interface Upstream {
  readonly workload: Workload;
  /** Port of the app there. */
  readonly port: number;
  /** The service it was chosen for, if one was addressed. */
  readonly service: Service | undefined;
}

/** Where to connect: an address, or a name that has to be resolved first. */
export type Target =
  | ({ readonly kind: "ip" } & SocketAddress)
  | { readonly kind: "hostname"; readonly hostname: string; readonly port: number; readonly preferred: Ip };

export interface UpstreamRequest {
  readonly source: Workload;
  readonly address: NetworkAddress;
  readonly port: number;
  readonly isForWaypoint: boolean;
  readonly excluded: ReadonlySet<string>;
}

export type UpstreamResult =
  | { readonly kind: "upstream"; readonly upstream: Upstream }
  /** The service asks to be left alone. */
  | { readonly kind: "passthrough"; readonly service: Service }
  | { readonly kind: "no-endpoint"; readonly service: Service }
  | { readonly kind: "unknown" };

/** What serves an address: an endpoint of the service that has it, or the workload that has it. */
export function findUpstream(context: DecisionContext, request: UpstreamRequest): UpstreamResult {
  const { state } = context;
  const found = state.find(request.address, request.source.namespace);
  switch (found?.kind) {
    case "service":
      return serviceUpstream(context, found.entry, request);
    case "workload":
      return {
        kind: "upstream",
        upstream: { workload: found.workload, port: request.port, service: undefined },
      };
    case undefined:
      return { kind: "unknown" };
  }
}

/** An endpoint of a service. */
export function serviceUpstream(
  context: DecisionContext,
  entry: ServiceEntry,
  request: Omit<UpstreamRequest, "address">,
): UpstreamResult {
  const { service } = entry;
  if (service.loadBalancer?.mode === "Passthrough") return { kind: "passthrough", service };
  const pick = pickEndpoint(context.random, entry, { ...request, servicePort: request.port });
  if (!pick) return { kind: "no-endpoint", service };
  return { kind: "upstream", upstream: { workload: pick.workload, port: pick.port, service } };
}

/**
 * The address of a workload to connect to. `wanted` is the address the client used: it is kept if the workload has it,
 * otherwise its family is preferred among those that the service allows.
 */
export function targetOf({ workload, service }: Upstream, wanted: Ip, port: number): Target | undefined {
  const { addresses, hostname } = workload;
  if (addresses.includes(wanted)) return { kind: "ip", ip: wanted, port };
  const families = service?.ipFamilies;
  const allowed = addresses.filter(
    (ip) => families === undefined || families === "Dual" || families === `IPv${familyOf(ip)}`,
  );
  const ip = allowed.find((candidate) => familyOf(candidate) === familyOf(wanted)) ?? allowed[0];
  if (ip !== undefined) return { kind: "ip", ip, port };
  return hostname === "" || addresses.length > 0 ? undefined : { kind: "hostname", hostname, port, preferred: wanted };
}

/** The identities a server may present: those the service lists, and the workload's own. */
export function expectedIdentities({ workload, service }: Upstream): readonly SpiffeId[] {
  return [...new Set([...(service?.identities ?? []), workload.identity])];
}
