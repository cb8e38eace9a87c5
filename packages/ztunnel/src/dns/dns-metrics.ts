// SPDX-License-Identifier: Apache-2.0
import type { CounterSeries, Family, HistogramSeries, Metrics } from "@ambientmesh/core";
import type { Workload } from "../state/model.ts";
import { typeName } from "./wire.ts";

const LABELS = [
  "request_query_type",
  "request_protocol",
  "source_canonical_service",
  "source_canonical_revision",
] as const;
type Label = (typeof LABELS)[number];

export type Transport = "udp" | "tcp";

/** One question as metrics name it. */
export interface CountedQuestion {
  readonly transport: Transport;
  readonly type: number | undefined;
  readonly source: Pick<Workload, "canonicalName" | "canonicalRevision"> | undefined;
}

const BUCKETS_SECONDS = [0.0005, 0.001, 0.01, 0.1, 1, 5];

/** ztunnel's DNS metrics (Istio 1.31). */
export class DnsMetrics {
  readonly #requests: Family<Label, CounterSeries>;
  readonly #forwarded: Family<Label, CounterSeries>;
  readonly #failures: Family<Label, CounterSeries>;
  readonly #duration: Family<Label, HistogramSeries>;

  constructor(metrics: Metrics) {
    const counter = (name: string, help: string): Family<Label, CounterSeries> =>
      metrics.counter({ name, help, labels: LABELS });
    this.#requests = counter("istio_dns_requests_total", "The total number of DNS requests");
    this.#forwarded = counter(
      "istio_dns_upstream_requests_total",
      "The total number of DNS requests passed on to a name server",
    );
    this.#failures = counter(
      "istio_dns_upstream_failures_total",
      "The total number of DNS requests passed on that failed",
    );
    this.#duration = metrics.histogram({
      name: "istio_dns_upstream_request_duration_seconds",
      help: "How long name servers took to answer",
      labels: LABELS,
      buckets: BUCKETS_SECONDS,
    });
  }

  requested(question: CountedQuestion): void {
    this.#requests.with(labelsOf(question)).add();
  }

  forwarded(question: CountedQuestion): void {
    this.#forwarded.with(labelsOf(question)).add();
  }

  /** A name server answered, with or without success, or did not answer at all. */
  settled(question: CountedQuestion, result: { readonly durationMs: number; readonly isFailure: boolean }): void {
    const labels = labelsOf(question);
    this.#duration.with(labels).observe(result.durationMs / 1000);
    if (result.isFailure) this.#failures.with(labels).add();
  }
}

function labelsOf({ transport, type, source }: CountedQuestion): Readonly<Record<Label, string>> {
  return {
    request_query_type: typeName(type),
    request_protocol: transport,
    source_canonical_service: source?.canonicalName || "unknown",
    source_canonical_revision: source?.canonicalRevision || "unknown",
  };
}
