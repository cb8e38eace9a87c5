// SPDX-License-Identifier: Apache-2.0
import type { CounterSeries, GaugeSeries, Metrics } from "@ambientmesh/core";

/** What an informer counts, for its kind. */
export interface InformerMetrics {
  readonly objects: GaugeSeries;
  readonly events: CounterSeries;
  readonly lists: CounterSeries;
  readonly failures: (code: string) => void;
}

/** The series of one kind ("pods", "deployments.apps"). */
export function informerMetrics(metrics: Metrics, resource: string): InformerMetrics {
  const of = { resource };
  const failures = metrics.counter<"resource" | "code">({
    name: "kube_informer_failures_total",
    help: "Lists and watches that ended with an error, by its code.",
    labels: ["resource", "code"],
  });
  return {
    objects: metrics
      .gauge<"resource">({ name: "kube_informer_objects", help: "Objects held.", labels: ["resource"] })
      .with(of),
    events: metrics
      .counter<"resource">({ name: "kube_informer_events_total", help: "Watch events received.", labels: ["resource"] })
      .with(of),
    lists: metrics
      .counter<"resource">({ name: "kube_informer_lists_total", help: "Complete lists read.", labels: ["resource"] })
      .with(of),
    failures: (code) => failures.with({ resource, code }).add(),
  };
}
