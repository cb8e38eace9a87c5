// SPDX-License-Identifier: Apache-2.0
import type { CounterSeries, Family, GaugeSeries, Labels, Metrics } from "@ambientmesh/core";
import type { Reason, ResponseFlag } from "../reasons.ts";
import type { ConnectionRecord, Direction } from "./connection-record.ts";
import type { Party } from "./party.ts";

/** The labels of Istio's TCP metrics, in ztunnel's order. */
export const TRAFFIC_LABELS = [
  "reporter",
  "source_workload",
  "source_canonical_service",
  "source_canonical_revision",
  "source_workload_namespace",
  "source_principal",
  "source_app",
  "source_version",
  "source_cluster",
  "destination_service",
  "destination_service_namespace",
  "destination_service_name",
  "destination_workload",
  "destination_canonical_service",
  "destination_canonical_revision",
  "destination_workload_namespace",
  "destination_principal",
  "destination_app",
  "destination_version",
  "destination_cluster",
  "request_protocol",
  "response_flags",
  "connection_security_policy",
  "source_region",
  "source_zone",
  "destination_region",
  "destination_zone",
] as const;
export type TrafficLabel = (typeof TRAFFIC_LABELS)[number];
type TrafficLabels = Labels<TrafficLabel>;

const UNKNOWN = "unknown";
const orUnknown = (text: string | undefined): string => text || UNKNOWN;
const reporterOf = (direction: Direction): "source" | "destination" =>
  direction === "outbound" ? "source" : "destination";

/** The labels of one connection. */
function trafficLabels({ direction, details }: ConnectionRecord, flag: ResponseFlag): TrafficLabels {
  const { source = {}, destination = {}, service } = details;
  return {
    reporter: reporterOf(direction),
    source_workload: orUnknown(source.workload),
    source_canonical_service: orUnknown(source.canonicalName),
    source_canonical_revision: orUnknown(source.canonicalRevision),
    source_workload_namespace: orUnknown(source.namespace),
    source_principal: orUnknown(details.sourceIdentity),
    source_app: orUnknown(source.app),
    source_version: orUnknown(source.canonicalRevision),
    source_cluster: orUnknown(source.cluster),
    destination_service: orUnknown(service?.hostname),
    destination_service_namespace: orUnknown(service?.namespace),
    destination_service_name: orUnknown(service?.name),
    destination_workload: orUnknown(destination.workload),
    destination_canonical_service: orUnknown(destination.canonicalName),
    destination_canonical_revision: orUnknown(destination.canonicalRevision),
    destination_workload_namespace: orUnknown(destination.namespace),
    destination_principal: orUnknown(details.destinationIdentity),
    destination_app: orUnknown(destination.app),
    destination_version: orUnknown(destination.canonicalRevision),
    destination_cluster: orUnknown(destination.cluster),
    request_protocol: "tcp",
    response_flags: flag,
    connection_security_policy: details.isMutualTls ? "mutual_tls" : UNKNOWN,
    ...localityLabels(source, destination),
  };
}

function localityLabels(
  source: Party,
  destination: Party,
): Pick<TrafficLabels, "source_region" | "source_zone" | "destination_region" | "destination_zone"> {
  return {
    source_region: orUnknown(source.region),
    source_zone: orUnknown(source.zone),
    destination_region: orUnknown(destination.region),
    destination_zone: orUnknown(destination.zone),
  };
}

/** Byte counters of one open connection. */
export interface ByteCounters {
  /** From the client to the server. */
  readonly received: CounterSeries;
  /** From the server to the client. Istio's names, on both sides as seen from the service. */
  readonly sent: CounterSeries;
}

/** Istio's TCP metrics, and what they leave out: refusals before a connection counts as opened. */
export class TrafficMetrics {
  readonly #opened: Family<TrafficLabel, CounterSeries>;
  readonly #closed: Family<TrafficLabel, CounterSeries>;
  readonly #failed: Family<TrafficLabel, CounterSeries>;
  readonly #received: Family<TrafficLabel, CounterSeries>;
  readonly #sent: Family<TrafficLabel, CounterSeries>;
  readonly #ended: Family<"reporter" | "reason", CounterSeries>;
  readonly #revoked: Family<"reporter", CounterSeries>;
  readonly #sockets: Readonly<Record<Direction, GaugeSeries>>;

  constructor(metrics: Metrics) {
    const traffic = (name: string, help: string): Family<TrafficLabel, CounterSeries> =>
      metrics.counter({ name, help, labels: TRAFFIC_LABELS });
    this.#opened = traffic("istio_tcp_connections_opened_total", "The total number of TCP connections opened");
    this.#closed = traffic("istio_tcp_connections_closed_total", "The total number of TCP connections closed");
    this.#received = traffic(
      "istio_tcp_received_bytes_total",
      "The size of total bytes received during requests in case of a TCP connection",
    );
    this.#sent = traffic(
      "istio_tcp_sent_bytes_total",
      "The size of total bytes sent during responses in case of a TCP connection",
    );
    this.#failed = traffic("istio_tcp_connections_failed_total", "The total number of TCP connections that failed");
    this.#ended = metrics.counter({
      name: "ambientmesh_connections_ended_total",
      help: "Connections by the reason they ended for, refusals included",
      labels: ["reporter", "reason"],
    });
    this.#revoked = metrics.counter({
      name: "istio_crl_policy_rejections_total",
      help: "Connections refused or ended because the certificate of the peer was revoked",
      labels: ["reporter"],
    });
    const sockets = metrics.gauge({
      name: "istio_tcp_sockets_open",
      help: "The number of TCP connections that are open now",
      labels: ["reporter"],
    });
    this.#sockets = {
      outbound: sockets.with({ reporter: "source" }),
      inbound: sockets.with({ reporter: "destination" }),
    };
  }

  /** A connection was accepted. */
  accepted(direction: Direction): void {
    this.#sockets[direction].add(1);
  }

  opened(record: ConnectionRecord): ByteCounters {
    const labels = trafficLabels(record, "-");
    this.#opened.with(labels).add();
    return { received: this.#received.with(labels), sent: this.#sent.with(labels) };
  }

  /** A connection that counts as opened ended. */
  closed(record: ConnectionRecord, flag: ResponseFlag): void {
    const labels = trafficLabels(record, flag);
    this.#closed.with(labels).add();
    if (flag !== "-") this.#failed.with(labels).add();
  }

  /** Every accepted connection ends with this, whether or not it was opened. */
  ended(direction: Direction, reason: Reason): void {
    this.#sockets[direction].add(-1);
    const reporter = reporterOf(direction);
    this.#ended.with({ reporter, reason }).add();
    if (reason === "CERTIFICATE_REVOKED") this.#revoked.with({ reporter }).add();
  }
}
