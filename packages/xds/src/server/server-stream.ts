// SPDX-License-Identifier: Apache-2.0
import type { X509Certificate } from "node:crypto";

/** gRPC status codes that this package sends or reads (https://grpc.io/docs/guides/status-codes/). */
export const GRPC_STATUS = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** How a stream ends on the wire. */
export interface StreamStatus {
  readonly code: number;
  readonly message: string;
}

/** What is known of a call before its first message. */
export interface CallInfo {
  /** "address:port" of the connection. */
  readonly peerAddress: string;
  /** Present only if the peer proved possession of it and it chains to the listener's client CA. */
  readonly peerCertificate: X509Certificate | undefined;
  /** The first value of a metadata entry. */
  metadata(name: string): string | undefined;
}

/** The server's end of one bidirectional stream, over gRPC or in memory. */
export interface ServerStream<Request> {
  readonly info: CallInfo;
  /** Aborts when the stream is over, whoever ended it. */
  readonly closed: AbortSignal;
  /** Begins to read; called once. Nothing is read before. */
  start(onRequest: (request: Request) => void): void;
  pause(): void;
  resume(): void;
  /**
   * Sends one encoded response; `flushed` is called when the transport has handed it on. Only one may be on its way.
   * Not called when the stream closes first.
   */
  write(bytes: Uint8Array, flushed: () => void): void;
  /** Ends after what was written. */
  end(status: StreamStatus): void;
  /** Ends at once, together with the connection below, whatever the peer does. */
  abort(): void;
}
