// SPDX-License-Identifier: Apache-2.0
import type { LocalReply } from "../http/local-reply.ts";
import type { Failure } from "../route/retry-policy.ts";
import type { ResponseFlag } from "../telemetry/request-record.ts";

/** How an attempt ended without a response. */
export interface AttemptFailure {
  readonly failure: Failure | "overflow" | "no-host";
  /** Envoy's words for it. */
  readonly reason: string;
  /** What the transport said. */
  readonly transport?: string;
  /** The upstream may have seen the request. */
  readonly wasSent: boolean;
}

const FLAGS: Readonly<Record<string, ResponseFlag>> = {
  "connection timeout": "UF",
  "remote connection failure": "UF",
  "connection termination": "UC",
  "protocol error": "UPE",
  overflow: "UO",
};

/** Envoy's flag for the way in which an upstream failed. */
export function resetFlag(reason: string): ResponseFlag {
  return FLAGS[reason] ?? "UR";
}

/** The reply for a request whose last attempt failed, in Envoy's words, which clients and dashboards look for. */
export function failureReply({ failure, reason, transport }: AttemptFailure, attempts: number): LocalReply {
  if (failure === "no-host") {
    return { status: 503, body: "no healthy upstream", details: "no_healthy_upstream", flag: "UH" };
  }
  if (failure === "per-try-timeout") {
    return { status: 504, body: "upstream request timeout", details: "upstream_per_try_timeout", flag: "UT" };
  }
  const how = attempts > 1 ? "retried and the latest reset reason" : "reset reason";
  const detailed = transport === undefined ? reason : `${reason}|${transport}`;
  const details = `upstream_reset_before_response_started{${detailed.replaceAll(" ", "_")}}`;
  return {
    status: reason === "protocol error" ? 502 : 503,
    body: `upstream connect error or disconnect/reset before headers. ${how}: ${reason}`,
    details,
    flag: resetFlag(reason),
    ...(failure === "overflow" && { headers: [["x-envoy-overloaded", "true"]] as const }),
  };
}
