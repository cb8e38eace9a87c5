// SPDX-License-Identifier: Apache-2.0
import type { Clock, CounterSeries, GaugeSeries, HistogramSeries, Metrics } from "@ambientmesh/core";

/** Metrics of the control plane itself, under Istio's names where Istio has them; xDS and certificates have their own. */
export interface IstiodMetrics {
  /** Seconds to bring the derived collections up to date. */
  readonly settleTime: HistogramSeries;
  /** Objects whose status or root certificate could not be written. */
  readonly writeFailures: CounterSeries;
  /** An object of a collection could not be derived from its inputs. */
  countDerivationFailure(collection: string): void;
  /** Sets what changes without an event; called before each scrape. */
  refresh(facts: { readonly services: number }): void;
}

export function istiodMetrics(metrics: Metrics, clock: Clock, version: string): IstiodMetrics {
  const startedAt = clock.monotonicMs();
  const gauge = (name: string, help: string): GaugeSeries => metrics.gauge({ name, help }).with({});
  const failures = metrics.counter({
    name: "istiod_derivation_failures_total",
    help: "Objects that could not be understood, by the collection that needed them.",
    labels: ["collection"],
  });
  const uptime = gauge("istiod_uptime_seconds", "Seconds since istiod started.");
  const services = gauge("pilot_services", "Services in the mesh.");
  metrics
    .gauge({ name: "pilot_info", help: "Version of istiod.", labels: ["version"] })
    .with({ version })
    .set(1);
  metrics
    .gauge({ name: "istiod_managed_clusters", help: "Clusters that istiod reads.", labels: ["cluster_type"] })
    .with({ cluster_type: "local" })
    .set(1);
  return {
    settleTime: metrics
      .histogram({
        name: "pilot_pushcontext_init_seconds",
        help: "Seconds to bring the state up to date after a change.",
        buckets: [0.001, 0.01, 0.1, 0.5, 1, 3, 5, 10],
      })
      .with({}),
    writeFailures: metrics
      .counter({ name: "controller_sync_errors_total", help: "Objects that could not be written and were given up." })
      .with({}),
    countDerivationFailure: (collection) => failures.with({ collection }).add(),
    refresh: (facts) => {
      uptime.set((clock.monotonicMs() - startedAt) / 1000);
      services.set(facts.services);
    },
  };
}
