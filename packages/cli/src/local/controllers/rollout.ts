// SPDX-License-Identifier: Apache-2.0
import type { Deployment, IntOrString } from "@ambientmesh/api/kubernetes";

/** A ReplicaSet of a Deployment, in numbers. */
export interface Generation {
  readonly name: string;
  /** Wanted. */
  readonly replicas: number;
  readonly available: number;
  /** Pods that exist, those that are about to end among them. */
  readonly pods: number;
}

/** Where a Deployment is and where it should get. */
export interface RolloutState {
  readonly desired: number;
  readonly strategy: Deployment["spec"]["strategy"];
  readonly current: Generation;
  readonly old: readonly Generation[];
}

const DEFAULT_SHARE = "25%";

/**
 * The next step of a rollout: how many replicas each ReplicaSet should have now. Rolling updates start new pods above the
 * wanted number and end old ones as new ones become available, within maxSurge and maxUnavailable; Recreate ends all old
 * pods first.
 */
export function nextStep(state: RolloutState): ReadonlyMap<string, number> {
  return state.strategy?.type === "Recreate" ? recreate(state) : rollingUpdate(state);
}

function recreate({ desired, current, old }: RolloutState): ReadonlyMap<string, number> {
  const isClear = old.every(({ pods }) => pods === 0);
  return new Map([
    ...old.map(({ name }) => [name, 0] as const),
    [current.name, isClear ? desired : Math.min(current.replicas, desired)],
  ]);
}

function rollingUpdate({ desired, strategy, current, old }: RolloutState): ReadonlyMap<string, number> {
  const { maxSurge = DEFAULT_SHARE, maxUnavailable = DEFAULT_SHARE } = strategy?.rollingUpdate ?? {};
  const surge = share(maxSurge, desired, Math.ceil);
  // Kubernetes: both can't be nothing, or nothing would ever move.
  const unavailable = Math.max(share(maxUnavailable, desired, Math.floor), surge === 0 ? 1 : 0);
  const total = [current, ...old].reduce((sum, { replicas }) => sum + replicas, 0);
  const room = Math.max(desired + surge - total, 0);
  const result = new Map([[current.name, Math.min(desired, current.replicas + room)]]);
  const minAvailable = desired - unavailable;
  const unhealthy = scaleDown(old, total - minAvailable - (current.replicas - current.available), unhealthyOf);
  const available = [current, ...old].reduce((sum, generation) => sum + generation.available, 0);
  const rest = old.map((generation) => ({ ...generation, replicas: unhealthy.get(generation.name) ?? 0 }));
  const healthy = scaleDown(rest, available - minAvailable, ({ replicas }) => replicas);
  return new Map([...result, ...healthy]);
}

const unhealthyOf = ({ replicas, available }: Generation): number => Math.max(replicas - available, 0);

/** Takes up to `budget` replicas away, of each generation as many as `limit` says. */
function scaleDown(
  generations: readonly Generation[],
  budget: number,
  limit: (generation: Generation) => number,
): ReadonlyMap<string, number> {
  let left = Math.max(budget, 0);
  return new Map(
    generations.map((generation) => {
      const taken = Math.min(left, limit(generation));
      left -= taken;
      return [generation.name, generation.replicas - taken];
    }),
  );
}

function share(value: IntOrString, of: number, round: (value: number) => number): number {
  if (typeof value === "number") return Math.max(value, 0);
  const percent = /^(\d+)%$/.exec(value)?.[1];
  return percent === undefined ? 0 : round((Number(percent) * of) / 100);
}
