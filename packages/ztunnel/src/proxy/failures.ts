// SPDX-License-Identifier: Apache-2.0
import { isMeshError, messageOf, type MeshError } from "@ambientmesh/core";
import { refuse, type Reason, type Refusal } from "../reasons.ts";

const BY_CODE: Readonly<Record<string, Reason>> = {
  ABORTED: "CLIENT_GONE",
  LINUX_CONNECT_FAILED: "CONNECT_FAILED",
  LINUX_CONNECT_TIMEOUT: "CONNECT_TIMEOUT",
  LINUX_CAPABILITY_MISSING: "CONNECT_FAILED",
  LINUX_SYSCALL: "CONNECT_FAILED",
  LINUX_ADDRESS_INVALID: "CONNECT_FAILED",
  LINUX_NETNS_NOT_FOUND: "DRAINED",
  ZTUNNEL_NAME_UNRESOLVED: "NO_ADDRESS",
  ZTUNNEL_PEER_REVOKED: "CERTIFICATE_REVOKED",
  HBONE_DIAL_FAILED: "CONNECT_FAILED",
  HBONE_DRAINING: "DRAINED",
  HBONE_CONNECTION_CLOSED: "H2_FAILED",
  HBONE_CONNECTION_LOST: "H2_FAILED",
  HBONE_LIMIT: "H2_FAILED",
  HBONE_PROTOCOL_ERROR: "H2_FAILED",
  HBONE_STREAM_RESET: "H2_FAILED",
  HBONE_STREAM_UNPROCESSED: "H2_FAILED",
  SECRET_UNAVAILABLE: "IDENTITY_UNAVAILABLE",
  SECRET_FORGOTTEN: "IDENTITY_UNAVAILABLE",
  SECRET_LIMIT: "IDENTITY_UNAVAILABLE",
  SECRET_CLOSED: "DRAINED",
};

/** Reason of a TLS refusal by a certificate source that has nothing to present. */
export const NO_IDENTITY = "identity-unavailable";
/** Reason of a TLS refusal because the pod's own workload is not known. */
export const NO_WORKLOAD = "workload-unknown";

const BY_TLS_REASON: Readonly<Record<string, Reason>> = {
  [NO_IDENTITY]: "IDENTITY_UNAVAILABLE",
  [NO_WORKLOAD]: "SOURCE_UNKNOWN",
  revoked: "CERTIFICATE_REVOKED",
};

/** What a failure on the way to the next hop means for the connection. */
export function failureOf(error: unknown): Refusal {
  return refuse(isMeshError(error) ? reasonOf(error) : "INTERNAL", messageOf(error));
}

function reasonOf(error: MeshError): Reason {
  const { code, details, cause } = error;
  switch (code) {
    case "HBONE_TLS_FAILED":
    case "HBONE_PEER_REFUSED":
      return BY_TLS_REASON[String(details["reason"])] ?? "TLS_FAILED";
    case "HBONE_TIMEOUT":
      if (details["phase"] === "dial") return "TUNNEL_BLOCKED";
      return details["phase"] === "tls" ? "TLS_FAILED" : "H2_FAILED";
    case "HBONE_DIAL_FAILED":
      if (isMeshError(cause, "LINUX_CONNECT_TIMEOUT")) return "TUNNEL_BLOCKED";
      return isMeshError(cause) ? (BY_CODE[cause.code] ?? "CONNECT_FAILED") : "CONNECT_FAILED";
    default:
      return BY_CODE[code] ?? "INTERNAL";
  }
}

const WORTH_ANOTHER: ReadonlySet<Reason> = new Set([
  "CONNECT_FAILED",
  "CONNECT_TIMEOUT",
  "TUNNEL_BLOCKED",
  "TLS_FAILED",
  "H2_FAILED",
  "NO_ADDRESS",
  "PEER_UNABLE",
]);

/** Whether another endpoint may do better. Nothing was forwarded yet, so trying is safe. */
export function isWorthAnotherEndpoint(reason: Reason): boolean {
  return WORTH_ANOTHER.has(reason);
}
