// SPDX-License-Identifier: Apache-2.0
import type { Change } from "@ambientmesh/core";
import { maskIp } from "../net/address.ts";
import { MultiMap } from "./multi-map.ts";
import {
  addressKey,
  serviceKey,
  type Endpoint,
  type NamespacedHostname,
  type NetworkAddress,
  type NetworkCidr,
  type Service,
  type ServiceEntry,
} from "./model.ts";

interface Entry {
  service: Service;
  readonly endpoints: Map<string, Endpoint>;
}

/**
 * Services by name, address, address range and hostname, with their endpoints.
 * Endpoints are kept from the moment their workload is known, whether or not the service is.
 */
export class ServiceStore {
  readonly #entries = new Map<string, Entry>();
  /** All endpoints by service, healthy or not, also of services yet unknown. */
  readonly #known = new Map<string, Map<string, Endpoint>>();
  readonly #byVip = new MultiMap<Entry>();
  readonly #byHostname = new MultiMap<Entry>();
  readonly #byCidr = new MultiMap<Entry>();
  /** How many ranges of each prefix length there are, so that a lookup tries only those. */
  readonly #prefixLengths = new Map<number, number>();
  #longestFirst: readonly number[] = [];

  get size(): number {
    return this.#entries.size;
  }

  all(): Iterable<ServiceEntry> {
    return this.#entries.values();
  }

  /** Endpoints of services that are not known (yet), by service and workload uid. */
  *staged(): Iterable<readonly [service: string, endpoints: ReadonlyMap<string, Endpoint>]> {
    for (const [key, endpoints] of this.#known) if (!this.#entries.has(key)) yield [key, endpoints];
  }

  byName(name: NamespacedHostname): ServiceEntry | undefined {
    return this.#entries.get(serviceKey(name));
  }

  byKey(key: string): ServiceEntry | undefined {
    return this.#entries.get(key);
  }

  /**
   * The service that answers at an address, as seen from a namespace (undefined: from nowhere in particular).
   * An exact address beats a range, the client's own namespace beats the canonical service, which beats the first.
   */
  byAddress(address: NetworkAddress, clientNamespace?: string): ServiceEntry | undefined {
    return best(this.#byVip.get(addressKey(address)), clientNamespace) ?? this.#byRange(address, clientNamespace);
  }

  /** The service of a hostname, chosen among namespaces as in {@link byAddress}. */
  byHostname(hostname: string, clientNamespace?: string): ServiceEntry | undefined {
    return best(this.#byHostname.get(hostname), clientNamespace);
  }

  /** All services of a hostname, in the order they came; names with wildcards are names like any other here. */
  allByHostname(hostname: string): readonly ServiceEntry[] {
    return this.#byHostname.get(hostname);
  }

  /** Adds or replaces a service by name; its endpoints stay. */
  set(service: Service): Change<Service> {
    const key = serviceKey(service);
    const entry = this.#entries.get(key);
    const before = entry?.service;
    if (entry) this.#unindex(entry);
    const current = entry ?? { service, endpoints: new Map<string, Endpoint>() };
    current.service = service;
    current.endpoints.clear();
    for (const [uid, endpoint] of this.#known.get(key) ?? [])
      if (isUsable(service, endpoint)) current.endpoints.set(uid, endpoint);
    this.#entries.set(key, current);
    this.#index(current);
    return { key, after: service, ...(before && { before }) };
  }

  delete(key: string): Change<Service> | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#unindex(entry);
    return { key, before: entry.service };
  }

  setEndpoint(key: string, endpoint: Endpoint): void {
    const known = this.#known.get(key) ?? new Map<string, Endpoint>();
    const { uid } = endpoint.workload;
    this.#known.set(key, known.set(uid, endpoint));
    const entry = this.#entries.get(key);
    if (!entry) return;
    if (isUsable(entry.service, endpoint)) entry.endpoints.set(uid, endpoint);
    else entry.endpoints.delete(uid);
  }

  deleteEndpoint(key: string, workloadUid: string): void {
    const known = this.#known.get(key);
    known?.delete(workloadUid);
    if (known?.size === 0) this.#known.delete(key);
    this.#entries.get(key)?.endpoints.delete(workloadUid);
  }

  #index(entry: Entry): void {
    const { service } = entry;
    this.#byHostname.add(service.hostname, entry);
    for (const vip of service.vips) this.#byVip.add(addressKey(vip), entry);
    for (const cidr of service.cidrVips) {
      this.#byCidr.add(cidrKey(cidr), entry);
      this.#countPrefix(cidr.length, 1);
    }
  }

  #unindex(entry: Entry): void {
    const { service } = entry;
    this.#byHostname.delete(service.hostname, entry);
    for (const vip of service.vips) this.#byVip.delete(addressKey(vip), entry);
    for (const cidr of service.cidrVips) {
      this.#byCidr.delete(cidrKey(cidr), entry);
      this.#countPrefix(cidr.length, -1);
    }
  }

  #countPrefix(length: number, change: 1 | -1): void {
    const count = (this.#prefixLengths.get(length) ?? 0) + change;
    if (count > 0) this.#prefixLengths.set(length, count);
    else this.#prefixLengths.delete(length);
    this.#longestFirst = [...this.#prefixLengths.keys()].toSorted((a, b) => b - a);
  }

  /** Ranges: the client's namespace first, then the longest prefix, then the canonical service. */
  #byRange(address: NetworkAddress, clientNamespace: string | undefined): ServiceEntry | undefined {
    let elsewhere: ServiceEntry | undefined;
    for (const length of this.#longestFirst) {
      const found = best(this.#byCidr.get(cidrKey({ ...address, length })), clientNamespace);
      if (found && found.service.namespace === clientNamespace) return found;
      elsewhere ??= found;
    }
    return elsewhere;
  }
}

function cidrKey({ network, ip, length }: NetworkCidr): string {
  return `${network}/${maskIp(ip, length)}/${length}`;
}

function isUsable(service: Service, endpoint: Endpoint): boolean {
  return endpoint.workload.status === "Healthy" || service.loadBalancer?.healthPolicy === "AllowAll";
}

function best(candidates: readonly Entry[], clientNamespace: string | undefined): ServiceEntry | undefined {
  let first: Entry | undefined;
  let canonical: Entry | undefined;
  for (const entry of candidates) {
    const { namespace, visibility, canonical: isCanonical } = entry.service;
    if (namespace === clientNamespace) return entry;
    if (visibility === "Namespace" && clientNamespace !== undefined) continue;
    first ??= entry;
    if (isCanonical) canonical = entry;
  }
  return canonical ?? first;
}
