// SPDX-License-Identifier: Apache-2.0
import { randomFillSync } from "node:crypto";

/** Identifies one connection in the logs of both sides (W3C Trace Context, version 00). */
export interface TraceParent {
  readonly traceId: string;
  readonly spanId: string;
}

const POOL_BYTES = 24 * 256;
const pool = Buffer.alloc(POOL_BYTES);
let used = POOL_BYTES;

/** A new trace. Random bytes are drawn for many at a time, since each connection needs one. */
export function newTraceParent(): TraceParent {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  const hex = pool.toString("hex", used, used + 24);
  used += 24;
  return { traceId: hex.slice(0, 32), spanId: hex.slice(32) };
}

export function formatTraceParent({ traceId, spanId }: TraceParent): string {
  return `00-${traceId}-${spanId}-00`;
}

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}$/;

/** Reads a header; undefined for anything that is not exactly one. Never throws. */
export function parseTraceParent(header: string): TraceParent | undefined {
  const match = TRACEPARENT.exec(header);
  return match ? { traceId: match[1] as string, spanId: match[2] as string } : undefined;
}
