// SPDX-License-Identifier: Apache-2.0
import type { CounterSeries, Family, GaugeSeries, HistogramSeries, Metrics } from "@ambientmesh/core";

// Finer than Istio's below 100 ms, where a push usually is.
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 3, 5, 10, 20, 30];
const BYTES = [1, 1000, 10_000, 100_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000];

/** Series of one type. */
export interface TypeMetrics {
  readonly pushes: CounterSeries;
  readonly rejects: CounterSeries;
  readonly expiredNonces: CounterSeries;
  readonly pushTime: HistogramSeries;
  readonly configSize: HistogramSeries;
}

/** Metrics of the server, under istiod's names. */
export interface ServerMetrics {
  readonly connected: Family<"version", GaugeSeries>;
  readonly queueTime: HistogramSeries;
  readonly sendTime: HistogramSeries;
  readonly convergenceTime: HistogramSeries;
  readonly writeTimeouts: CounterSeries;
  readonly internalErrors: CounterSeries;
  ofType(label: string): TypeMetrics;
}

/** Declares the server's metrics. */
export function serverMetrics(metrics: Metrics): ServerMetrics {
  const seconds = (name: string, help: string): HistogramSeries =>
    metrics.histogram({ name, help, buckets: SECONDS }).with({});
  const count = (name: string, help: string): CounterSeries => metrics.counter({ name, help }).with({});
  const labels = ["type"] as const;
  const pushes = metrics.counter({ name: "pilot_xds_pushes", help: "Responses sent.", labels });
  const rejects = metrics.counter({
    name: "pilot_total_xds_rejects",
    help: "Responses that clients rejected.",
    labels,
  });
  const expired = metrics.counter({ name: "pilot_xds_expired_nonce", help: "Requests with a stale nonce.", labels });
  const pushTime = metrics.histogram({
    name: "pilot_xds_push_time",
    help: "Seconds to make a response.",
    labels,
    buckets: SECONDS,
  });
  const size = metrics.histogram({
    name: "pilot_xds_config_size_bytes",
    help: "Size of responses.",
    labels,
    buckets: BYTES,
  });
  return {
    connected: metrics.gauge({ name: "pilot_xds", help: "Connected clients by their version.", labels: ["version"] }),
    queueTime: seconds("pilot_proxy_queue_time", "Seconds a client waited for its turn."),
    sendTime: seconds("pilot_xds_send_time", "Seconds until a response had left."),
    convergenceTime: seconds("pilot_proxy_convergence_time", "Seconds from a change until all of it was sent."),
    writeTimeouts: count("pilot_xds_write_timeout", "Clients disconnected because they did not read."),
    internalErrors: count("pilot_total_xds_internal_errors", "Streams ended by an error of the server."),
    ofType: (type) => ({
      pushes: pushes.with({ type }),
      rejects: rejects.with({ type }),
      expiredNonces: expired.with({ type }),
      pushTime: pushTime.with({ type }),
      configSize: size.with({ type }),
    }),
  };
}
