// SPDX-License-Identifier: Apache-2.0
import type { MetricSpec } from "@ambientmesh/core";
import type { MetricsRegistry } from "@ambientmesh/telemetry";

/** The metrics that Istio promises to keep; all others say in their help text that they may change (ztunnel, Istio 1.31). */
const CORE: ReadonlySet<string> = new Set([
  "istio_build",
  "istio_tcp_connections_opened_total",
  "istio_tcp_connections_closed_total",
  "istio_tcp_received_bytes_total",
  "istio_tcp_sent_bytes_total",
]);

function marked<Spec extends MetricSpec>(spec: Spec): Spec {
  return CORE.has(spec.name) ? spec : { ...spec, help: `${spec.help.replace(/\.$/, "")} (unstable)` };
}

/** The registry, with the mark of instability on what is declared through it. */
export function markUnstable(metrics: MetricsRegistry): MetricsRegistry {
  return {
    counter: (spec) => metrics.counter(marked(spec)),
    gauge: (spec) => metrics.gauge(marked(spec)),
    histogram: (spec) => metrics.histogram(marked(spec)),
    render: (format) => metrics.render(format),
    onScrape: (refresh) => metrics.onScrape(refresh),
  };
}
