// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { isMeshError, messageOf, type MeshError } from "@ambientmesh/core";
import { joinTunnel, type IoBuffers, type JoinResult, type TunnelStream } from "@ambientmesh/hbone";
import { ztunnelErrors } from "../errors.ts";
import type { ConnectionEnd, Side } from "../telemetry/connection-record.ts";
import { endByError, type RelayObserver } from "./relay.ts";

/** Which side of the connection the app at this end of the tunnel is. */
type AppSide = Exclude<Side, "proxy">;

interface TunnelRelay {
  readonly socket: Socket;
  readonly tunnel: TunnelStream;
  readonly appSide: AppSide;
  readonly buffers: IoBuffers;
}

/** Copies between an app and a tunnel until both have closed, or `signal` aborts. Owns both. */
export async function relayTunnel(
  { socket, tunnel, appSide, buffers }: TunnelRelay,
  observer: RelayObserver,
  signal: AbortSignal,
): Promise<ConnectionEnd> {
  const isClient = appSide === "client";
  if (tunnel.destroyed || socket.destroyed) {
    // One side was over before the two could be joined.
    socket.destroy();
    tunnel.destroy();
    return tunnel.errored ? endOfPeer(tunnel.errored, appSide) : { reason: "OK" };
  }
  const join = joinTunnel(socket, tunnel, buffers, {
    onBytes: (direction, count) => {
      if ((direction === "toPeer") === isClient) observer.addClientBytes(count);
      else observer.addServerBytes(count);
    },
  });
  const cut = (): void => join.abort();
  if (signal.aborted) cut();
  else signal.addEventListener("abort", cut, { once: true });
  try {
    return endOf(await join.ended, appSide);
  } finally {
    signal.removeEventListener("abort", cut);
  }
}

/** Resets by which a proxy passes on that its app is done or gone (RFC 9113 section 7 and 8.5). */
const ORDINARY_RESETS: ReadonlySet<unknown> = new Set(["CANCEL", "CONNECT_ERROR", "STREAM_CLOSED", "NO_ERROR"]);

const peerOf = (appSide: AppSide): AppSide => (appSide === "client" ? "server" : "client");

function endOf({ end, closedBy, error }: JoinResult, appSide: AppSide): ConnectionEnd {
  const endedBy = closedBy === "us" ? "proxy" : closedBy === "app" ? appSide : peerOf(appSide);
  switch (end) {
    case "both-closed":
      return { reason: "OK", endedBy };
    case "aborted":
      return { reason: "DRAINED", endedBy };
    case "app-reset":
      return endByError(appSide, causeOf(error));
    case "peer-reset":
    case "tunnel-failed":
      return endOfPeer(error, appSide);
  }
}

function endOfPeer(error: Error | undefined, appSide: AppSide): ConnectionEnd {
  const side = peerOf(appSide);
  if (isMeshError(error, "HBONE_STREAM_RESET") && ORDINARY_RESETS.has(error.details["h2Code"])) {
    return { reason: "OK", endedBy: side };
  }
  return failed(side, error);
}

function causeOf(error: MeshError | undefined): Error {
  return error?.cause instanceof Error ? error.cause : (error ?? new Error("the connection broke"));
}

function failed(side: AppSide, error: Error | undefined): ConnectionEnd {
  if (ztunnelErrors.is(error, "ZTUNNEL_PEER_REVOKED")) {
    return { reason: "CERTIFICATE_REVOKED", error: error.message, endedBy: "proxy" };
  }
  return {
    reason: side === "client" ? "CLIENT_FAILED" : "SERVER_FAILED",
    error: messageOf(error ?? "the tunnel broke"),
    endedBy: side,
  };
}
