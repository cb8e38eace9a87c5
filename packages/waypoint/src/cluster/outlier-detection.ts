// SPDX-License-Identifier: Apache-2.0
import type { OutlierDetection } from "@ambientmesh/api/envoy/cluster";
import type { Clock, Timer } from "@ambientmesh/core";
import { durationMs } from "../config/durations.ts";
import { unsupported } from "../config/refusal.ts";
import type { Host } from "./host.ts";

/** When hosts that fail are left alone, and for how long. */
export interface OutlierRules {
  readonly consecutive5xx: number;
  /** Percent of the cases in which the rule is enforced. */
  readonly enforcing5xx: number;
  readonly consecutiveGatewayFailure: number;
  readonly enforcingGatewayFailure: number;
  readonly intervalMs: number;
  readonly baseEjectionMs: number;
  readonly maxEjectionMs: number;
  readonly maxEjectionPercent: number;
}

/** Envoy's defaults. @throws MeshError WAYPOINT_CONFIG_UNSUPPORTED */
export function compileOutlierRules(config: OutlierDetection, path: string): OutlierRules {
  // On unless turned off, so that its absence would be a silent difference.
  if (config.enforcingSuccessRate !== 0) {
    throw unsupported(`${path}.enforcing_success_rate`, "has to be 0: ejection by success rate is not supported");
  }
  if ((config.enforcingFailurePercentage ?? 0) !== 0) throw unsupported(`${path}.enforcing_failure_percentage`);
  const baseEjectionMs = durationMs(config.baseEjectionTime) ?? 30_000;
  return {
    consecutive5xx: config.consecutive5xx ?? 5,
    enforcing5xx: config.enforcingConsecutive5xx ?? 100,
    consecutiveGatewayFailure: config.consecutiveGatewayFailure ?? 5,
    enforcingGatewayFailure: config.enforcingConsecutiveGatewayFailure ?? 0,
    intervalMs: durationMs(config.interval) ?? 10_000,
    baseEjectionMs,
    maxEjectionMs: Math.max(durationMs(config.maxEjectionTime) ?? 300_000, baseEjectionMs),
    maxEjectionPercent: config.maxEjectionPercent ?? 10,
  };
}

interface Standing {
  in5xx: number;
  inGatewayFailures: number;
  ejections: number;
  until: number;
}

/** What a detector is made with. */
export interface OutlierDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly hosts: () => readonly Host[];
  /** Some host was ejected or let in again. */
  readonly onChange: () => void;
}

/** Ejects hosts that fail in a row and lets them in again, for longer each time. Its owner disposes it. */
export class OutlierDetector implements Disposable {
  readonly #rules: OutlierRules;
  readonly #deps: OutlierDeps;
  readonly #standings = new WeakMap<Host, Standing>();
  #timer: Timer | undefined;

  constructor(rules: OutlierRules, deps: OutlierDeps) {
    this.#rules = rules;
    this.#deps = deps;
    this.#schedule();
  }

  /** Takes note of an answer; failures without one count as 503. */
  report(host: Host, status: number): void {
    const standing = this.#standingOf(host);
    standing.in5xx = status >= 500 ? standing.in5xx + 1 : 0;
    standing.inGatewayFailures = status >= 502 && status <= 504 ? standing.inGatewayFailures + 1 : 0;
    const rules = this.#rules;
    if (standing.in5xx >= rules.consecutive5xx) {
      standing.in5xx = 0;
      this.#eject(host, standing, rules.enforcing5xx);
    }
    if (standing.inGatewayFailures >= rules.consecutiveGatewayFailure) {
      standing.inGatewayFailures = 0;
      this.#eject(host, standing, rules.enforcingGatewayFailure);
    }
  }

  [Symbol.dispose](): void {
    this.#timer?.cancel();
  }

  #standingOf(host: Host): Standing {
    const known = this.#standings.get(host);
    if (known) return known;
    const standing = { in5xx: 0, inGatewayFailures: 0, ejections: 0, until: 0 };
    this.#standings.set(host, standing);
    return standing;
  }

  #eject(host: Host, standing: Standing, enforcing: number): void {
    if (host.isEjected || this.#deps.random() * 100 >= enforcing) return;
    const hosts = this.#deps.hosts();
    const ejected = hosts.filter((other) => other.isEjected).length;
    // One host may always be ejected, however few there are.
    if (ejected > 0 && ((ejected + 1) / hosts.length) * 100 > this.#rules.maxEjectionPercent) return;
    standing.ejections++;
    const { baseEjectionMs, maxEjectionMs } = this.#rules;
    standing.until = this.#deps.clock.monotonicMs() + Math.min(baseEjectionMs * standing.ejections, maxEjectionMs);
    host.isEjected = true;
    this.#deps.onChange();
  }

  #schedule(): void {
    this.#timer = this.#deps.clock.setTimer(this.#rules.intervalMs, () => this.#sweep(), { background: true });
  }

  #sweep(): void {
    const now = this.#deps.clock.monotonicMs();
    let hasChanged = false;
    for (const host of this.#deps.hosts()) {
      const standing = this.#standingOf(host);
      if (!host.isEjected) standing.ejections = Math.max(0, standing.ejections - 1);
      if (!host.isEjected || standing.until > now) continue;
      host.isEjected = false;
      standing.in5xx = 0;
      standing.inGatewayFailures = 0;
      hasChanged = true;
    }
    if (hasChanged) this.#deps.onChange();
    this.#schedule();
  }
}
