// SPDX-License-Identifier: Apache-2.0
import type { Socket } from "node:net";
import { messageOf } from "@ambientmesh/core";
import type { ConnectionEnd, Side } from "../telemetry/connection-record.ts";

/** Hears of bytes as they pass. */
export interface RelayObserver {
  addClientBytes(count: number): void;
  addServerBytes(count: number): void;
}

/** Errors of connections that simply ended (ztunnel, Istio 1.31). */
const ORDINARY: ReadonlySet<string> = new Set(["ECONNRESET", "EPIPE", "ENOTCONN", "ERR_STREAM_PREMATURE_CLOSE"]);

/** How a connection ended whose one side reported an error. */
export function endByError(side: Exclude<Side, "proxy">, error: Error): ConnectionEnd {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (ORDINARY.has(code)) return { reason: "OK", endedBy: side };
  return {
    reason: side === "client" ? "CLIENT_FAILED" : "SERVER_FAILED",
    error: `${side === "client" ? "receive" : "send"}: ${messageOf(error)}`,
    endedBy: side,
  };
}

/**
 * Copies between two sockets until both directions have ended; each end of data is passed on by itself. A reset on one
 * side becomes one on the other. When `signal` aborts, both are closed at once. Owns both sockets.
 */
export function relay(
  client: Socket,
  server: Socket,
  observer: RelayObserver,
  signal: AbortSignal,
): Promise<ConnectionEnd> {
  const { promise, resolve } = Promise.withResolvers<ConnectionEnd>();
  let end: ConnectionEnd | undefined;
  let open = 2;
  const note = (cause: ConnectionEnd): void => {
    end ??= cause;
  };
  const cut = (): void => {
    note({ reason: "DRAINED", endedBy: "proxy" });
    client.destroy();
    server.destroy();
  };
  const onClosed = (): void => {
    if (--open > 0) return;
    signal.removeEventListener("abort", cut);
    resolve(end ?? { reason: "OK" });
  };
  const watch = (from: Socket, to: Socket, side: "client" | "server"): void => {
    from.once("end", () => note({ reason: "OK", endedBy: side }));
    from.on("error", (error) => {
      note(endByError(side, error));
      to.resetAndDestroy();
    });
    from.once("close", () => {
      // Closed without both ends: nobody will read what the other side still sends.
      if (!to.destroyed && !from.readableEnded) to.destroy();
      onClosed();
    });
  };
  watch(client, server, "client");
  watch(server, client, "server");
  if (signal.aborted) cut();
  else signal.addEventListener("abort", cut, { once: true });
  copy(client, server, (count) => observer.addClientBytes(count));
  copy(server, client, (count) => observer.addServerBytes(count));
  return promise;
}

function copy(from: Socket, to: Socket, count: (bytes: number) => void): void {
  from.on("data", (chunk: Buffer) => {
    count(chunk.length);
    if (!to.write(chunk)) from.pause();
  });
  to.on("drain", () => from.resume());
  from.once("end", () => to.end());
  from.resume();
}
