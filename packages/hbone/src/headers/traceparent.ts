// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from "node:crypto";

/** The header `traceparent` (W3C Trace Context, section 3.2). */
export interface TraceParent {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero. */
  readonly parentId: string;
  /** 0 to 255; bit 0: sampled. */
  readonly flags: number;
}

const HEADER = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** A random one, not sampled, as ztunnel puts on every tunnel. */
export function createTraceParent(): TraceParent {
  const random = randomBytes(24);
  // All zero would be invalid; this is cheaper than looking, and costs one bit of randomness in either.
  random[0] = (random[0] ?? 0) | 1;
  random[16] = (random[16] ?? 0) | 1;
  return { traceId: random.toString("hex", 0, 16), parentId: random.toString("hex", 16), flags: 0 };
}

/** The header's value, in version 00. */
export function formatTraceParent({ traceId, parentId, flags }: TraceParent): string {
  return `00-${traceId}-${parentId}-${(flags & 0xff).toString(16).padStart(2, "0")}`;
}

/** Reads the header; undefined when it is missing or malformed in any way. Never throws. */
export function parseTraceParent(header: string | undefined): TraceParent | undefined {
  const [, version, traceId = "", parentId = "", flags = "", more] = HEADER.exec(header ?? "") ?? [];
  // Later versions may add fields; version ff is invalid, and 00 has no more.
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, flags: Number.parseInt(flags, 16) };
}
