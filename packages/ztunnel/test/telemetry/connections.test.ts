// SPDX-License-Identifier: Apache-2.0
import { LogLevels, createAccessLog, createMetrics, type LogRecord } from "@ambientmesh/telemetry";
import { FakeClock } from "@ambientmesh/testkit";
import { describe, expect, it } from "vitest";
import { REASONS, flagOf } from "../../src/reasons.ts";
import { AccessLines } from "../../src/telemetry/access-lines.ts";
import { ConnectionBook, type Connection } from "../../src/telemetry/connections.ts";
import { partyOfBaggage, partyOfWorkload } from "../../src/telemetry/party.ts";
import { TRAFFIC_LABELS, TrafficMetrics } from "../../src/telemetry/traffic-metrics.ts";
import { workload } from "../fixtures.ts";

function setUp(filter = "debug") {
  const clock = new FakeClock();
  const metrics = createMetrics();
  const records: LogRecord[] = [];
  const output = { write: (record: LogRecord) => records.push(record) > 0 };
  const access = new AccessLines(createAccessLog({ output, clock, levels: new LogLevels(filter) }));
  const book = new ConnectionBook({ clock, access, metrics: new TrafficMetrics(metrics) });
  const lines = (): string[] =>
    records.map(({ level, message, fields }) => {
      const shown = fields
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => `${name}=${JSON.stringify(value)}`);
      return [level, message, ...shown].join(" ");
    });
  return { clock, book, lines, scrape: () => metrics.render("prometheus") };
}

const client = workload("client", ["10.0.0.1"], { clusterId: "c1", locality: { region: "r", zone: "z" } });
const server = workload("server", ["10.0.0.2"]);
const SRC = { ip: "10.0.0.1", port: 40_000 };
const WANTED = { ip: "10.9.0.1", port: 80 };

function outbound(book: ConnectionBook): Connection {
  const connection = book.begin({ direction: "outbound", src: SRC, wanted: WANTED });
  connection.reached("source-known");
  connection.describe({
    source: partyOfWorkload(client),
    destination: partyOfWorkload(server),
    sourceIdentity: client.identity,
    destinationIdentity: server.identity,
    dst: { ip: "10.0.0.2", port: 15_008 },
    hboneAuthority: "10.0.0.2:8080",
    protocol: "HBONE",
    isMutualTls: true,
    service: { hostname: "server.svc", namespace: "default", name: "server" },
  });
  connection.reached("connected");
  return connection;
}

describe("a connection that worked", () => {
  it("is logged when it opens and when it ends", () => {
    const { clock, book, lines } = setUp();
    const connection = outbound(book);
    connection.open();
    connection.addClientBytes(11);
    connection.addServerBytes(22);
    clock.advance(3);
    connection.finish({ reason: "OK", endedBy: "client" });
    connection.finish({ reason: "INTERNAL", error: "late" });
    expect(lines()).toEqual([
      expect.stringMatching(/^debug connection opened .*bytes_sent=0 bytes_recv=0 duration="0ms"$/),
      `info connection complete src.addr="10.0.0.1:40000" src.workload="client" src.namespace="default" src.identity="${client.identity}" src.cluster="c1" dst.addr="10.0.0.2:15008" dst.hbone_addr="10.0.0.2:8080" dst.service="server.svc" dst.workload="server" dst.namespace="default" dst.identity="${server.identity}" dst.cluster="Kubernetes" direction="outbound" bytes_sent=11 bytes_recv=22 duration="3ms" reason="OK" ended_by="client"`,
    ]);
  });

  it("is counted with every label, once", async () => {
    const { book, scrape } = setUp();
    const connection = outbound(book);
    connection.open();
    connection.open();
    connection.addClientBytes(11);
    connection.addServerBytes(22);
    expect(await scrape()).toContain('istio_tcp_sockets_open{reporter="source"} 1');
    connection.finish({ reason: "OK" });
    const text = await scrape();
    const values = Object.fromEntries(
      [...text.matchAll(/^(istio_tcp_\w+_total)\{(.*)\} (\d+)$/gm)].map(([, name, , value]) => [name, Number(value)]),
    );
    expect(values).toEqual({
      istio_tcp_connections_opened_total: 1,
      istio_tcp_connections_closed_total: 1,
      istio_tcp_received_bytes_total: 11,
      istio_tcp_sent_bytes_total: 22,
    });
    const labels = /^istio_tcp_connections_opened_total\{(.*)\}/m.exec(text)?.[1];
    expect(labels).toBe(
      `reporter="source",source_workload="client",source_canonical_service="client",source_canonical_revision="v1",source_workload_namespace="default",source_principal="${client.identity}",source_app="client",source_version="v1",source_cluster="c1",destination_service="server.svc",destination_service_namespace="default",destination_service_name="server",destination_workload="server",destination_canonical_service="server",destination_canonical_revision="v1",destination_workload_namespace="default",destination_principal="${server.identity}",destination_app="server",destination_version="v1",destination_cluster="Kubernetes",request_protocol="tcp",response_flags="-",connection_security_policy="mutual_tls",source_region="r",source_zone="z",destination_region="unknown",destination_zone="unknown"`,
    );
    expect(labels?.match(/\w+(?==)/g)).toEqual([...TRAFFIC_LABELS]);
    expect(text).toContain('istio_tcp_sockets_open{reporter="source"} 0');
    expect(text).toContain('ambientmesh_connections_ended_total{reporter="source",reason="OK"} 1');
  });
});

describe("a connection that failed", () => {
  it("after it was opened counts as failed, with its flag", async () => {
    const { book, lines, scrape } = setUp("info");
    const connection = outbound(book);
    connection.open();
    connection.finish({
      reason: "POLICY_DENIED",
      error: "connection closed due to policy rejection: explicitly denied by: a/b",
      endedBy: "proxy",
    });
    const text = await scrape();
    expect(text).toMatch(/istio_tcp_connections_opened_total\{.*response_flags="-".*\} 1/);
    expect(text).toMatch(/istio_tcp_connections_closed_total\{.*response_flags="DENY".*\} 1/);
    expect(text).toMatch(/istio_tcp_connections_failed_total\{.*response_flags="DENY".*\} 1/);
    expect(lines()).toEqual([
      expect.stringMatching(
        /^error connection complete .*error="connection closed due to policy rejection: explicitly denied by: a\/b" reason="POLICY_DENIED" phase="connected" ended_by="proxy"$/,
      ),
    ]);
  });

  it("before it was opened is logged as refused and counted by reason", async () => {
    const { book, lines, scrape } = setUp("info");
    const connection = book.begin({ direction: "inbound", src: SRC, wanted: WANTED });
    connection.finish({ reason: "IP_MISMATCH", error: "ip mismatch: a != b" });
    connection.open();
    expect(lines()).toEqual([
      'warn connection failed src.addr="10.0.0.1:40000" dst.addr="10.9.0.1:80" direction="inbound" error="ip mismatch: a != b" reason="IP_MISMATCH" phase="accepted"',
    ]);
    const text = await scrape();
    expect(text).not.toContain("istio_tcp_connections_");
    expect(text).toContain('ambientmesh_connections_ended_total{reporter="destination",reason="IP_MISMATCH"} 1');
  });
});

it("turns the bytes round for inbound connections", () => {
  const { book, lines } = setUp("info");
  const connection = book.begin({ direction: "inbound", src: SRC, wanted: WANTED });
  connection.open();
  connection.addClientBytes(11);
  connection.addServerBytes(22);
  connection.finish({ reason: "OK" });
  expect(lines()[0]).toContain("bytes_sent=22 bytes_recv=11");
});

it("keeps the connections that live", () => {
  const { book } = setUp("off");
  const [first, second] = [outbound(book), outbound(book)];
  expect([...book.all()]).toEqual([first, second]);
  first.finish({ reason: "OK" });
  expect([...book.all()].map(({ id }) => id)).toEqual([2]);
  expect(book.size).toBe(1);
});

it("names the app by canonical name, or by workload where only baggage is known", () => {
  expect(partyOfWorkload(workload("a", [], { canonicalName: "b" }))).toMatchObject({
    app: "b",
    workload: "a",
    podName: "a",
  });
  expect(partyOfBaggage({ workloadName: "a", canonicalName: "b" })).toMatchObject({
    app: "a",
    canonicalName: "b",
  });
});

it("has a sentence and a flag for each reason", () => {
  for (const [reason, { meaning }] of Object.entries(REASONS)) {
    expect(meaning).toMatch(/^[A-Z].*\.$/);
    expect(flagOf(reason as keyof typeof REASONS)).toBe(REASONS[reason as keyof typeof REASONS].flag);
  }
});
