// SPDX-License-Identifier: Apache-2.0
import { Backoff, messageOf, toMeshError, type MeshError } from "@ambientmesh/core";
import { GRPC_STATUS } from "../server/server-stream.ts";

/** Values of the label `reason` of istio_xds_connection_terminations_total. */
export type TerminationReason = "ConnectionError" | "Error" | "Reconnect" | "Complete";

/** How a stream ended: cleanly (undefined) or with an error. */
export type StreamEnd = MeshError | undefined;

/** What comes after a stream. */
export interface Reconnect {
  readonly reason: TerminationReason;
  readonly delayMs: number;
}

// Statuses with which servers and proxies end streams in normal operation (ztunnel, Istio 1.31).
const NORMAL: ReadonlySet<unknown> = new Set([
  GRPC_STATUS.UNKNOWN,
  GRPC_STATUS.CANCELLED,
  GRPC_STATUS.DEADLINE_EXCEEDED,
]);
const NORMAL_UNAVAILABLE = /transport is closing|received prior goaway|connection dropped/i;
const NORMAL_DELAY_MS = 10;
/** A stream that delivered something for this long was useful: the server works. */
export const USEFUL_MS = 1000;

/** The reason under which the end of a stream is counted. */
export function terminationReason(end: StreamEnd): TerminationReason {
  if (!end) return "Complete";
  if (end.code === "XDS_CONNECT_FAILED") return "ConnectionError";
  if (end.code !== "XDS_STREAM_ENDED") return "Error";
  const { status, message } = end.details;
  const isNormal =
    NORMAL.has(status) || (status === GRPC_STATUS.UNAVAILABLE && NORMAL_UNAVAILABLE.test(String(message)));
  return isNormal ? "Reconnect" : "Error";
}

/**
 * When to try again. As ztunnel: 20 ms doubling up to 15 s after failures, 10 ms after a planned end, at once after a
 * clean one. Unlike it, the last two only after a useful stream; a server that ends every stream at once, or a root
 * certificate that can't be read, is met with the same growing delays as one that is down.
 */
export class ReconnectPolicy {
  readonly #backoff: Backoff;

  constructor(random: () => number = Math.random) {
    this.#backoff = new Backoff({ initialMs: 20, maxMs: 15_000, random });
  }

  next(end: StreamEnd, wasUseful: boolean): Reconnect {
    const reason = terminationReason(end);
    if (wasUseful) this.#backoff.reset();
    if (wasUseful && reason === "Complete") return { reason, delayMs: 0 };
    if (wasUseful && reason === "Reconnect") return { reason, delayMs: NORMAL_DELAY_MS };
    return { reason, delayMs: this.#backoff.next() };
  }
}

/** Anything thrown around a stream, with a code that {@link terminationReason} knows. */
export function asStreamEnd(error: unknown): MeshError {
  return toMeshError(error, "XDS_LOCAL_FAILED");
}

/** One line for the log. */
export function describeEnd(end: StreamEnd): string {
  return end ? messageOf(end) : "the server ended the stream";
}
