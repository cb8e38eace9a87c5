// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { messageOf, type MeshError } from "@ambientmesh/core";
import { joinTunnel, type IoBuffers, type JoinResult, type TunnelStream } from "@ambientmesh/hbone";
import { ztunnelErrors } from "../errors.ts";
import type { ConnectionEnd, Side } from "../telemetry/connection-record.ts";
import { endByError, type RelayObserver } from "./relay.ts";

/** Which side of the connection the app at this end of the tunnel is. */
export type AppSide = Exclude<Side, "proxy">;

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

function endOf({ end, closedBy, error }: JoinResult, appSide: AppSide): ConnectionEnd {
  const peerSide = appSide === "client" ? "server" : "client";
  const endedBy = closedBy === "us" ? "proxy" : closedBy === "app" ? appSide : peerSide;
  switch (end) {
    case "both-closed":
      return { reason: "OK", endedBy };
    case "aborted":
      return { reason: "DRAINED", endedBy };
    case "app-reset":
      return endByError(appSide, causeOf(error));
    case "peer-reset":
      if (ORDINARY_RESETS.has(error?.details["h2Code"])) return { reason: "OK", endedBy };
      return failed(peerSide, error);
    case "tunnel-failed":
      return failed(peerSide, error);
  }
}

function causeOf(error: MeshError | undefined): Error {
  return error?.cause instanceof Error ? error.cause : (error ?? new Error("the connection broke"));
}

function failed(side: AppSide, error: MeshError | undefined): ConnectionEnd {
  if (ztunnelErrors.is(error, "ZTUNNEL_PEER_REVOKED")) {
    return { reason: "CERTIFICATE_REVOKED", error: error.message, endedBy: "proxy" };
  }
  return {
    reason: side === "client" ? "CLIENT_FAILED" : "SERVER_FAILED",
    error: messageOf(error ?? "the tunnel broke"),
    endedBy: side,
  };
}
