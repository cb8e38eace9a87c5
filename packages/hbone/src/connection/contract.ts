// SPDX-License-Identifier: Apache-2.0
import type { Clock, MeshError } from "@ambientmesh/core";
import type { IoBuffers } from "../buffers/io-buffers.ts";
import type { RequestHead } from "../h2/message.ts";
import type { ConnectionLimits } from "./options.ts";
import type { H2Stream } from "./stream.ts";

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** Server: a well-formed request; without a head when its header list was too large. */
  readonly onRequest?: (stream: H2Stream, head: RequestHead | undefined) => void;
  /** The peer's SETTINGS are there. */
  readonly onReady?: () => void;
  /** No new streams from now on: the peer sent GOAWAY, or {@link Connection.drain} was called. */
  readonly onDraining?: () => void;
  /** A stream is over. */
  readonly onStreamGone?: () => void;
  /** The connection is over; without an error if it was drained. Called once, last. */
  readonly onClosed?: (error: MeshError | undefined) => void;
}

export interface ConnectionSetup {
  readonly role: "client" | "server";
  /** The peer in messages. */
  readonly peerName: string;
  readonly clock: Clock;
  readonly buffers: IoBuffers;
  readonly limits: ConnectionLimits;
  readonly events: ConnectionEvents;
  /**
   * The transport's bytes come from the network, not from another connection of ours: then it is never read while another
   * is being read, and all may read into the same buffer.
   */
  readonly isOutermost: boolean;
}

/** A snapshot for diagnostics; octets and ms. */
export interface ConnectionStats {
  readonly streams: number;
  readonly streamsOpened: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Received and not yet read by the app. */
  readonly held: number;
  readonly peakHeld: number;
  /** What {@link held} can never exceed. */
  readonly heldBound: number;
  readonly roundTripMs: number | undefined;
  readonly isDraining: boolean;
}
