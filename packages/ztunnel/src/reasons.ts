// SPDX-License-Identifier: Apache-2.0

/** Response flags of Istio's TCP metrics, as ztunnel 1.31 writes them. */
export type ResponseFlag =
  | "-"
  | "DENY"
  | "CONNECT"
  | "TLS_FAILURE"
  | "H2_HANDSHAKE_FAILURE"
  | "NETWORK_POLICY"
  | "IDENTITY_ERROR"
  | "CERT_REVOKED";

/**
 * Why a connection ended: the stable code that logs, metrics and dumps carry, what it means, and the response flag that
 * Istio's metrics know it by.
 */
export const REASONS = {
  OK: { flag: "-", meaning: "Both sides were done." },
  DRAINED: { flag: "-", meaning: "The pod left the mesh or this proxy is stopping." },
  POLICY_DENIED: { flag: "DENY", meaning: "An authorization policy refuses the client." },
  POLICY_CHANGED: {
    flag: "DENY",
    meaning: "A policy or workload changed and the open connection is no longer allowed.",
  },
  SELF_CALL: { flag: "CONNECT", meaning: "The app called a port of this proxy itself." },
  SOURCE_UNKNOWN: { flag: "CONNECT", meaning: "The control plane has not sent the workload of this pod." },
  NO_ENDPOINT: { flag: "CONNECT", meaning: "The service has no endpoint that may be used." },
  NO_ADDRESS: { flag: "CONNECT", meaning: "The chosen workload has no address that can be reached." },
  WAYPOINT_UNKNOWN: { flag: "CONNECT", meaning: "The waypoint in charge can't be resolved; it is never bypassed." },
  GATEWAY_UNKNOWN: { flag: "CONNECT", meaning: "The destination's network has no gateway that can be resolved." },
  METHOD_INVALID: { flag: "CONNECT", meaning: "The peer asked for something else than CONNECT." },
  AUTHORITY_INVALID: { flag: "CONNECT", meaning: "The peer's CONNECT names no address or host with a port." },
  IP_MISMATCH: { flag: "CONNECT", meaning: "The peer's CONNECT names an address that is not behind this pod." },
  SERVICE_UNKNOWN: { flag: "CONNECT", meaning: "The peer's CONNECT names a host that no known service has." },
  PORT_UNKNOWN: { flag: "CONNECT", meaning: "The service does not have the port." },
  PORT_ILLEGAL: { flag: "CONNECT", meaning: "The port belongs to this proxy, not to the app." },
  POD_LIMIT: { flag: "CONNECT", meaning: "The pod has as many connections as one pod may have on this node." },
  CONNECT_FAILED: { flag: "CONNECT", meaning: "The next hop refused the TCP connection or could not be reached." },
  CONNECT_TIMEOUT: { flag: "CONNECT", meaning: "The next hop did not answer the TCP connection in time." },
  TUNNEL_BLOCKED: {
    flag: "NETWORK_POLICY",
    meaning: "Port 15008 of the next hop did not answer in time; a NetworkPolicy may block it.",
  },
  TLS_FAILED: { flag: "TLS_FAILURE", meaning: "The TLS handshake failed or the peer has the wrong identity." },
  H2_FAILED: { flag: "H2_HANDSHAKE_FAILURE", meaning: "HTTP/2 with the next hop failed before the tunnel was open." },
  PEER_REFUSED: { flag: "CONNECT", meaning: "The next hop answered CONNECT with something else than 200." },
  PEER_UNABLE: { flag: "CONNECT", meaning: "The next hop answered CONNECT with 503: it could not reach its app." },
  IDENTITY_UNAVAILABLE: { flag: "IDENTITY_ERROR", meaning: "There is no certificate for the workload." },
  CERTIFICATE_REVOKED: { flag: "CERT_REVOKED", meaning: "The peer's certificate was revoked." },
  CLIENT_FAILED: { flag: "CONNECT", meaning: "The connection broke on the side that opened it." },
  SERVER_FAILED: { flag: "CONNECT", meaning: "The connection broke on the side that was called." },
  CLIENT_GONE: { flag: "CONNECT", meaning: "The client left before the way to its destination was open." },
  INTERNAL: { flag: "CONNECT", meaning: "This proxy failed; the error says how." },
} as const;

export type Reason = keyof typeof REASONS;

/** The flag of Istio's metrics for a reason. */
export function flagOf(reason: Reason): ResponseFlag {
  return REASONS[reason].flag;
}

/** A connection that goes no further: why, and the text for the log. */
export interface Refusal {
  readonly kind: "refuse";
  readonly reason: Reason;
  readonly message: string;
}

export function refuse(reason: Reason, message: string): Refusal {
  return { kind: "refuse", reason, message };
}
