// SPDX-License-Identifier: Apache-2.0
import { noMetrics, type CounterSeries, type Family, type Metrics } from "@ambientmesh/core";

/** Metrics of a client, under ztunnel's names. */
export interface ClientMetrics {
  readonly terminations: Family<"reason", CounterSeries>;
  readonly messages: Family<"url", CounterSeries>;
  readonly messageBytes: Family<"url", CounterSeries>;
}

/** Declares the client's metrics. */
export function clientMetrics(metrics: Metrics = noMetrics): ClientMetrics {
  return {
    terminations: metrics.counter({
      name: "istio_xds_connection_terminations_total",
      help: "Streams to the discovery server that ended.",
      labels: ["reason"],
    }),
    messages: metrics.counter({
      name: "istio_xds_message_total",
      help: "Responses received.",
      labels: ["url"],
    }),
    messageBytes: metrics.counter({
      name: "istio_xds_message_bytes_total",
      help: "Bytes of the resources in responses.",
      labels: ["url"],
    }),
  };
}
