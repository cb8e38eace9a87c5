// SPDX-License-Identifier: Apache-2.0
import { errorCatalogue, type ErrorCatalogue } from "@ambientmesh/core";

/** The stable codes of this package. */
export type HboneErrorCode =
  | "HBONE_ALREADY_ANSWERED"
  | "HBONE_APP_RESET"
  | "HBONE_CONNECTION_CLOSED"
  | "HBONE_CONNECTION_LOST"
  | "HBONE_DIAL_FAILED"
  | "HBONE_DRAINING"
  | "HBONE_HEADER_INVALID"
  | "HBONE_LIMIT"
  | "HBONE_OPTIONS_INVALID"
  | "HBONE_PEER_REFUSED"
  | "HBONE_PROTOCOL_ERROR"
  | "HBONE_STREAM_RESET"
  | "HBONE_STREAM_UNPROCESSED"
  | "HBONE_TIMEOUT"
  | "HBONE_TLS_FAILED"
  | "HBONE_TUNNEL_IN_USE";

/** Errors that hbone raises. A refusal by the peer's handler is no error but a `ConnectOutcome`. */
export const hboneErrors: ErrorCatalogue<HboneErrorCode> = errorCatalogue({
  HBONE_ALREADY_ANSWERED: "A CONNECT request was answered twice, or answered after the peer had withdrawn it.",
  HBONE_APP_RESET: "The app's side of a joined tunnel broke; the cause is its socket's error.",
  HBONE_CONNECTION_CLOSED: "The HTTP/2 connection under a tunnel ended before the tunnel did.",
  HBONE_CONNECTION_LOST: "The peer of an HTTP/2 connection sent nothing, not even the answer to a ping, for too long.",
  HBONE_DIAL_FAILED: "No TCP connection to the peer could be made; the cause is the dialler's error.",
  HBONE_DRAINING: "A new tunnel was asked for while the pool, the server or the connection was shutting down.",
  HBONE_HEADER_INVALID:
    "A header or an authority given by the caller can't be sent: its name or its value is malformed.",
  HBONE_LIMIT: "A limit of this side or of the peer would have been exceeded: streams, header size or queued bytes.",
  HBONE_OPTIONS_INVALID: "An option given by the caller is out of its range; the message names the range.",
  HBONE_PEER_REFUSED: "The TLS handshake worked, but the peer's identity is not one that was expected.",
  HBONE_PROTOCOL_ERROR: "The peer broke a rule of HTTP/2; details.h2Code says which kind.",
  HBONE_STREAM_RESET: "The peer reset the tunnel's stream; details.h2Code is its error code.",
  HBONE_STREAM_UNPROCESSED: "The peer refused the stream before looking at it, so asking again is safe.",
  HBONE_TIMEOUT: "The peer took too long; details.phase is dial, tls, settings or response.",
  HBONE_TLS_FAILED: "The TLS handshake failed: certificate, protocol version or ALPN.",
  HBONE_TUNNEL_IN_USE: "A tunnel or a socket was given to be joined while somebody else was already reading it.",
});
