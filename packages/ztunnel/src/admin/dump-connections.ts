// SPDX-License-Identifier: Apache-2.0
import type { ManagedPod } from "../inpod/workload-manager.ts";
import { formatSocketAddress } from "../net/address.ts";
import type { ConnectionRecord } from "../telemetry/connection-record.ts";

type Json = Readonly<Record<string, unknown>>;

/** The pods of this node and their connections by pod uid, under ztunnel's names (Istio 1.31), with more of each story. */
export function dumpWorkloadState(pods: readonly ManagedPod[], nowMs: number): Json {
  return Object.fromEntries(pods.map((pod) => [pod.uid, dumpPod(pod, nowMs)]));
}

function dumpPod({ workload, running }: ManagedPod, nowMs: number): Json {
  if (!running) return { state: "Pending", info: workload };
  const records = [...running.connections.all()];
  const of = (direction: string): readonly Json[] =>
    records
      .filter((record) => record.direction === direction)
      .map((record) => (direction === "inbound" ? dumpInbound(record, nowMs) : dumpOutbound(record, nowMs)));
  return { state: "Up", info: workload, connections: { inbound: of("inbound"), outbound: of("outbound") } };
}

function dumpInbound(record: ConnectionRecord, nowMs: number): Json {
  const { details } = record;
  return {
    src: formatSocketAddress(record.src),
    originalDst: details.forwardedHost ?? null,
    actualDst: details.hboneAuthority ?? formatSocketAddress(details.dst),
    protocol: details.protocol,
    ...story(record, nowMs),
  };
}

function dumpOutbound(record: ConnectionRecord, nowMs: number): Json {
  return {
    src: formatSocketAddress(record.src),
    originalDst: formatSocketAddress(record.wanted),
    actualDst: formatSocketAddress(record.details.dst),
    protocol: record.details.protocol,
    ...story(record, nowMs),
  };
}

function story(record: ConnectionRecord, nowMs: number): Json {
  const { details } = record;
  return {
    id: record.id,
    ageMs: Math.round(nowMs - record.startedAtMs),
    phases: Object.fromEntries([...record.phases].map(([phase, atMs]) => [phase, Math.round(atMs)])),
    clientBytes: record.clientBytes,
    serverBytes: record.serverBytes,
    rule: details.rule ?? null,
    sourceIdentity: (details.isMutualTls && details.sourceIdentity) || null,
    destinationIdentity: (details.isMutualTls && details.destinationIdentity) || null,
    traceId: details.traceId ?? null,
  };
}
