// SPDX-License-Identifier: Apache-2.0
import type { Duration } from "@bufbuild/protobuf/wkt";

/** Milliseconds of a duration; undefined where it is not set. */
export function durationMs(duration: Duration | undefined): number | undefined {
  return duration && Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

/** As {@link durationMs}, where zero stands for "without a limit" too. */
export function limitMs(duration: Duration | undefined, otherwise?: number): number | undefined {
  const ms = durationMs(duration) ?? otherwise;
  return ms === 0 ? undefined : ms;
}
