// SPDX-License-Identifier: Apache-2.0
import type { Host } from "./host.ts";

/** Picks one of the hosts, of which there is at least one; `random` gives numbers in [0, 1). */
export type Pick = (hosts: readonly Host[], random: () => number) => Host;

/** How a cluster's hosts take turns. */
export type BalancerKind = "round-robin" | "least-request" | "random";

/** A balancer with its own memory of turns. */
export function createBalancer(kind: BalancerKind, choices: number): Pick {
  switch (kind) {
    case "round-robin":
      return roundRobin();
    case "least-request":
      return leastRequest(choices);
    case "random":
      return (hosts, random) => weightedRandom(hosts, random);
  }
}

/**
 * Smooth weighted round robin: each pick, every host gains its weight, and the richest one pays the sum of all. Turns are
 * spread evenly also between picks (a a b a, not a a a b). The start is random, so that many proxies do not march in step.
 */
function roundRobin(): Pick {
  const credits = new WeakMap<Host, number>();
  return (hosts, random) => {
    const total = hosts.reduce((sum, host) => sum + host.config.weight, 0);
    let best: Host | undefined;
    let most = -Infinity;
    for (const host of hosts) {
      const credit = (credits.get(host) ?? -random() * host.config.weight) + host.config.weight;
      credits.set(host, credit);
      if (credit > most) [best, most] = [host, credit];
    }
    if (!best) throw new RangeError("no hosts to pick from");
    credits.set(best, most - total);
    return best;
  };
}

/** The least busy of a few hosts picked at random; hosts of more weight count as less busy. */
function leastRequest(choices: number): Pick {
  const load = (host: Host): number => (host.active + 1) / host.config.weight;
  return (hosts, random) => {
    let best = weightedRandom(hosts, random);
    for (let round = 1; round < choices; round++) {
      const other = weightedRandom(hosts, random);
      if (load(other) < load(best)) best = other;
    }
    return best;
  };
}

function weightedRandom(hosts: readonly Host[], random: () => number): Host {
  const total = hosts.reduce((sum, host) => sum + host.config.weight, 0);
  let left = random() * total;
  for (const host of hosts) {
    left -= host.config.weight;
    if (left < 0) return host;
  }
  const last = hosts.at(-1);
  if (!last) throw new RangeError("no hosts to pick from");
  return last;
}
