// SPDX-License-Identifier: Apache-2.0
import { familyOf, type Ip, type IpFamily } from "../net/address.ts";
import type { MeshState } from "../state/mesh-state.ts";
import type { ServiceEntry, Workload } from "../state/model.ts";
import { aliasesOf, wildcardsOf, type NameAlias } from "./names.ts";
import type { AddressAnswer } from "./response.ts";

/** What the answers depend on beside the question. */
export interface LookupContext {
  readonly services: Pick<MeshState["services"], "allByHostname">;
  readonly domain: string;
  /** Namespace that wins where a name is in several and neither the client's own nor a canonical one is among them. */
  readonly preferredNamespace: string | undefined;
  readonly isIpv6Enabled: boolean;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Who asks for what. */
export interface LookupRequest {
  readonly client: Workload;
  readonly name: string;
  readonly family: IpFamily;
  readonly searchDomains: readonly string[];
}

/** The addresses of a name that the mesh knows; undefined: ask a name server. Pure but for `context.random`. */
export function lookUp(
  context: LookupContext,
  request: LookupRequest,
): (AddressAnswer & { readonly entry: ServiceEntry }) | undefined {
  const { client, name, searchDomains } = request;
  for (const alias of aliasesOf(name, { namespace: client.namespace, domain: context.domain, searchDomains })) {
    const found = findService(context, alias, client.namespace);
    if (!found) continue;
    const { entry, hostname } = found;
    // A wildcard stands for the name as it was asked for.
    const canonicalName = hostname.startsWith("*") ? undefined : alias.stripped;
    return { entry, canonicalName, addresses: shuffled(addressesOf(context, entry, request), context.random) };
  }
  return undefined;
}

function findService(
  context: LookupContext,
  alias: NameAlias,
  clientNamespace: string,
): { readonly entry: ServiceEntry; readonly hostname: string } | undefined {
  for (const hostname of wildcardsOf(alias.name)) {
    const candidates = context.services
      .allByHostname(hostname)
      .filter((entry) => hasAddresses(context, entry) && isVisible(entry, clientNamespace));
    const entry = preferred(context, candidates, clientNamespace);
    if (entry) return { entry, hostname };
  }
  return undefined;
}

/** A service without addresses of its own is headless if it is one of Kubernetes, and nothing to answer with otherwise. */
function hasAddresses({ domain }: LookupContext, { service }: ServiceEntry): boolean {
  return service.vips.length > 0 || service.hostname.endsWith(`.svc.${domain}`);
}

function isVisible({ service }: ServiceEntry, clientNamespace: string): boolean {
  return service.visibility === "Public" || service.namespace === clientNamespace;
}

function preferred(
  { preferredNamespace }: LookupContext,
  candidates: readonly ServiceEntry[],
  clientNamespace: string,
): ServiceEntry | undefined {
  const inNamespace = (namespace: string | undefined): ServiceEntry | undefined =>
    candidates.find(({ service }) => service.namespace === namespace);
  return (
    inNamespace(clientNamespace) ??
    candidates.find(({ service }) => service.canonical) ??
    inNamespace(preferredNamespace) ??
    candidates[0]
  );
}

function addressesOf(
  { isIpv6Enabled }: LookupContext,
  { service, endpoints }: ServiceEntry,
  { client, family }: LookupRequest,
): Ip[] {
  const { ipFamilies } = service;
  const isAllowed = ipFamilies === undefined || ipFamilies === "Dual" || ipFamilies === `IPv${family}`;
  if (!isAllowed || (family === 6 && !isIpv6Enabled)) return [];
  const isWanted = (ip: Ip): boolean => familyOf(ip) === family;
  if (service.vips.length > 0) {
    return service.vips.flatMap(({ network, ip }) => (network === client.network && isWanted(ip) ? [ip] : []));
  }
  return [...endpoints.values()].flatMap(({ workload }) => workload.addresses.find(isWanted) ?? []);
}

/** In random order, so that clients that take the first spread. */
function shuffled(addresses: Ip[], random: () => number): readonly Ip[] {
  for (let at = addresses.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [addresses[at], addresses[other]] = [addresses[other] as Ip, addresses[at] as Ip];
  }
  return addresses;
}
