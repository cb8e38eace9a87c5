// SPDX-License-Identifier: Apache-2.0
import { bare, type AccessLog, type LogField } from "@ambientmesh/telemetry";
import { formatSocketAddress } from "../net/address.ts";
import type { ConnectionRecord, Direction } from "./connection-record.ts";
import type { Party } from "./party.ts";

const text = (value: string | undefined): string | undefined => value || undefined;
const nameOf = (party: Party | undefined): string | undefined => text(party?.podName) ?? text(party?.canonicalName);

/** The fields of ztunnel's access log, in its order; behind them reason, phase and who ended the connection. */
function accessFields(record: ConnectionRecord, nowMs: number): readonly LogField[] {
  const { details, end, direction } = record;
  const { source, destination, isMutualTls } = details;
  // The reporter's own app: the client of outbound, the server of inbound connections.
  const [bytesSent, bytesReceived] =
    direction === "outbound" ? [record.clientBytes, record.serverBytes] : [record.serverBytes, record.clientBytes];
  return [
    ["src.addr", bare(formatSocketAddress(record.src))],
    ["src.workload", nameOf(source)],
    ["src.namespace", text(source?.namespace)],
    ["src.identity", isMutualTls ? details.sourceIdentity : undefined],
    ["src.cluster", text(source?.cluster)],
    ["dst.addr", bare(formatSocketAddress(details.dst))],
    ["dst.hbone_addr", details.hboneAuthority === undefined ? undefined : bare(details.hboneAuthority)],
    ["dst.service", details.service?.hostname],
    ["dst.workload", nameOf(destination)],
    ["dst.namespace", text(destination?.namespace)],
    ["dst.identity", isMutualTls ? details.destinationIdentity : undefined],
    ["dst.cluster", text(destination?.cluster)],
    ["direction", direction],
    ["bytes_sent", bytesSent],
    ["bytes_recv", bytesReceived],
    ["duration", `${Math.round(nowMs - record.startedAtMs)}ms`],
    ["error", end?.error],
    ...endFields(record),
  ];
}

/** The fields of a connection that was refused before it counted as opened. */
function refusalFields(record: ConnectionRecord): readonly LogField[] {
  return [
    ["src.addr", bare(formatSocketAddress(record.src))],
    ["dst.addr", bare(formatSocketAddress(record.details.dst))],
    ["direction", record.direction satisfies Direction],
    ["error", record.end?.error],
    ...endFields(record),
  ];
}

function endFields({ end, phases }: ConnectionRecord): readonly LogField[] {
  if (!end) return [];
  return [
    ["reason", end.reason],
    ["phase", end.error === undefined ? undefined : ([...phases.keys()].at(-1) ?? "accepted")],
    ["ended_by", end.endedBy],
  ];
}

/** Writes the lines of ztunnel's access log (Istio 1.31). */
export class AccessLines {
  readonly #log: AccessLog;

  constructor(log: AccessLog) {
    this.#log = log;
  }

  opened(record: ConnectionRecord, nowMs: number): void {
    if (!this.#log.isEnabled("debug")) return;
    this.#log.write("debug", "connection opened", accessFields(record, nowMs));
  }

  complete(record: ConnectionRecord, nowMs: number): void {
    const level = record.end?.error === undefined ? "info" : "error";
    if (!this.#log.isEnabled(level)) return;
    this.#log.write(level, "connection complete", accessFields(record, nowMs));
  }

  refused(record: ConnectionRecord): void {
    if (!this.#log.isEnabled("warn")) return;
    this.#log.write("warn", "connection failed", refusalFields(record));
  }
}
