// SPDX-License-Identifier: Apache-2.0
import type { Host } from "./host.ts";

/** How the hosts of a cluster are told apart. */
export interface HostSetOptions {
  /** Percent of healthy hosts below which health is ignored; 0: never. */
  readonly panicThreshold: number;
  /** 140: a priority counts as fully healthy with 72 % of its hosts (Envoy's `overprovisioning_factor`). */
  readonly overprovisioning: number;
  readonly isLocalityWeighted: boolean;
}

/** Hosts of which any will do, and their share of requests. */
export interface HostGroup {
  readonly hosts: readonly Host[];
  readonly share: number;
  readonly isPanic: boolean;
}

interface Level {
  readonly all: readonly Host[];
  readonly healthy: readonly Host[];
  readonly degraded: readonly Host[];
}

/**
 * Parts hosts into groups by priority, health and locality with the share of requests that each gets, as Envoy's priority
 * load does: a priority overflows to the next one when fewer than 1/overprovisioning of its hosts are healthy; degraded
 * hosts come after healthy ones of all priorities.
 */
export function groupHosts(hosts: readonly Host[], options: HostSetOptions): readonly HostGroup[] {
  const levels = levelsOf(hosts);
  const factor = options.overprovisioning / 100;
  const rate = (part: readonly Host[], of: readonly Host[]): number =>
    of.length === 0 ? 0 : Math.min(1, (part.length / of.length) * factor);
  const healthy = levels.map((level) => rate(level.healthy, level.all));
  const degraded = levels.map((level) => rate(level.degraded, level.all));
  const total = Math.min(1, sum(healthy) + sum(degraded));
  if (total === 0) return panicGroups(levels, options);
  const groups: HostGroup[] = [];
  let left = 1;
  const spread = (rates: readonly number[], kind: "healthy" | "degraded"): void => {
    for (const [index, value] of rates.entries()) {
      const level = levels[index];
      const share = Math.min(left, value / total);
      left -= share;
      if (level && share > 0) groups.push(...levelGroups(level, kind, share, { ...options, total }));
    }
  };
  spread(healthy, "healthy");
  spread(degraded, "degraded");
  return groups;
}

/** Nothing is healthy: every host may be tried, unless panic is turned off. */
function panicGroups(levels: readonly Level[], { panicThreshold }: HostSetOptions): readonly HostGroup[] {
  const all = levels.find((level) => level.all.length > 0)?.all ?? [];
  return panicThreshold > 0 && all.length > 0 ? [{ hosts: all, share: 1, isPanic: true }] : [];
}

function levelGroups(
  level: Level,
  kind: "healthy" | "degraded",
  share: number,
  options: HostSetOptions & { readonly total: number },
): readonly HostGroup[] {
  // A level only panics when the others can't take its requests either.
  const usable = level.healthy.length + level.degraded.length;
  const isPanic = options.total < 1 && (usable / level.all.length) * 100 < options.panicThreshold;
  if (isPanic) return [{ hosts: level.all, share, isPanic }];
  const hosts = level[kind];
  if (!options.isLocalityWeighted) return [{ hosts, share, isPanic: false }];
  return localityGroups(level, hosts, share, options.overprovisioning / 100);
}

/** A locality's weight shrinks with its health once too few hosts are left. */
function localityGroups(level: Level, hosts: readonly Host[], share: number, factor: number): readonly HostGroup[] {
  const weighted = [...Map.groupBy(hosts, (host) => host.config.locality)].map(([locality, part]) => {
    const all = level.all.filter((host) => host.config.locality === locality);
    const availability = Math.min(1, (part.length / all.length) * factor);
    return { hosts: part, weight: (part[0]?.config.localityWeight ?? 0) * availability };
  });
  const total = sum(weighted.map(({ weight }) => weight));
  if (total === 0) return [];
  return weighted.map((group) => ({ hosts: group.hosts, share: (share * group.weight) / total, isPanic: false }));
}

function levelsOf(hosts: readonly Host[]): readonly Level[] {
  const byPriority = Map.groupBy(hosts, (host) => host.config.priority);
  return [...byPriority.keys()]
    .sort((a, b) => a - b)
    .map((priority) => {
      const all = byPriority.get(priority) ?? [];
      return { all, healthy: all.filter((host) => host.isHealthy), degraded: all.filter((host) => host.isDegraded) };
    });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
