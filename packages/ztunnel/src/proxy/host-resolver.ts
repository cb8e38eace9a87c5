// SPDX-License-Identifier: Apache-2.0
import { Resolver } from "node:dns/promises";
import type { CounterSeries, Family, Metrics } from "@ambientmesh/core";
import { ztunnelErrors } from "../errors.ts";
import { canonicalIp, familyOf, type Ip } from "../net/address.ts";
import type { Workload } from "../state/model.ts";
import type { Target } from "../decision/upstream.ts";

const LABELS = [
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_cluster",
  "hostname",
] as const;

/** How names are looked up; both may reject where a name has no such address. */
export interface NameLookup {
  resolve4(hostname: string): Promise<string[]>;
  resolve6(hostname: string): Promise<string[]>;
}

const QUERY_TIMEOUT_MS = 2000;

/** Looks up names with the resolvers of this proxy's own namespace, as its own resolv.conf has them. */
export function systemLookup(): NameLookup {
  return new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: 2 });
}

/** Addresses of workloads that the control plane knows by name only. */
export class HostResolver {
  readonly #lookup: NameLookup;
  readonly #random: () => number;
  readonly #lookups: Family<(typeof LABELS)[number], CounterSeries>;

  constructor(deps: { readonly lookup: NameLookup; readonly metrics: Metrics; readonly random: () => number }) {
    this.#lookup = deps.lookup;
    this.#random = deps.random;
    this.#lookups = deps.metrics.counter({
      name: "istio_on_demand_dns_total",
      help: "The total number of requests that used on-demand DNS",
      labels: LABELS,
    });
  }

  /**
   * The address to connect to: one of the name's at random, of the wanted family if it has any.
   * @throws MeshError ZTUNNEL_NAME_UNRESOLVED
   */
  async addressOf(target: Target, source: Workload): Promise<Ip> {
    if (target.kind === "ip") return target.ip;
    const { hostname, preferred } = target;
    this.#count(hostname, source);
    const isSix = familyOf(preferred) === 6;
    const found = await Promise.allSettled([this.#lookup.resolve4(hostname), this.#lookup.resolve6(hostname)]);
    const [four = [], six = []] = found.map((result) =>
      result.status === "fulfilled" ? result.value.flatMap((text) => canonicalIp(text) ?? []) : [],
    );
    const [first, second] = isSix ? [six, four] : [four, six];
    const candidates = first.length > 0 ? first : second;
    const chosen = candidates[Math.floor(this.#random() * candidates.length)];
    if (chosen !== undefined) return chosen;
    throw ztunnelErrors.create("ZTUNNEL_NAME_UNRESOLVED", `no resolved addresses: ${hostname}`, {
      details: { hostname },
      retryable: true,
    });
  }

  #count(hostname: string, source: Workload): void {
    const orUnknown = (text: string): string => text || "unknown";
    this.#lookups
      .with({
        source_workload: orUnknown(source.workloadName),
        source_canonical_service: orUnknown(source.canonicalName),
        source_canonical_revision: orUnknown(source.canonicalRevision),
        source_workload_namespace: orUnknown(source.namespace),
        source_principal: source.identity,
        source_app: orUnknown(source.canonicalName),
        source_version: orUnknown(source.canonicalRevision),
        source_cluster: orUnknown(source.clusterId),
        hostname,
      })
      .add();
  }
}
