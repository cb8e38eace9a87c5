// SPDX-License-Identifier: Apache-2.0

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A duration as `kubectl get` shows ages: "5s", "3m20s", "47h", "12d", "2y34d". */
export function formatAge(durationMs: number): string {
  if (durationMs < 0) return "0s";
  if (durationMs < 2 * MINUTE) return `${Math.floor(durationMs / SECOND)}s`;
  if (durationMs < 10 * MINUTE) return twoUnits(durationMs, [MINUTE, "m"], [SECOND, "s"]);
  if (durationMs < 3 * HOUR) return `${Math.floor(durationMs / MINUTE)}m`;
  if (durationMs < 8 * HOUR) return twoUnits(durationMs, [HOUR, "h"], [MINUTE, "m"]);
  if (durationMs < 2 * DAY) return `${Math.floor(durationMs / HOUR)}h`;
  if (durationMs < 8 * DAY) return twoUnits(durationMs, [DAY, "d"], [HOUR, "h"]);
  if (durationMs < 2 * 365 * DAY) return `${Math.floor(durationMs / DAY)}d`;
  return twoUnits(durationMs, [365 * DAY, "y"], [DAY, "d"]);
}

/** The age of something that began at an RFC 3339 time, "<unknown>" without one. */
export function ageSince(time: unknown, nowMs: number): string {
  const begin = typeof time === "string" ? Date.parse(time) : Number.NaN;
  return Number.isNaN(begin) ? "<unknown>" : formatAge(nowMs - begin);
}

type Unit = readonly [ms: number, name: string];

function twoUnits(durationMs: number, [bigMs, big]: Unit, [smallMs, small]: Unit): string {
  const count = Math.floor(durationMs / bigMs);
  const rest = Math.floor((durationMs - count * bigMs) / smallMs);
  return rest === 0 ? `${count}${big}` : `${count}${big}${rest}${small}`;
}
