// SPDX-License-Identifier: Apache-2.0
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { DurationRules, TimestampRules } from "../../gen/validate/validate_pb.ts";
import { type Rule, type ValueTests, given, UnsupportedRule } from "../rule.ts";
import { type OrderedKind, orderedRules } from "./ordered.ts";

const NANOS_PER_SECOND = 1_000_000_000n;
// Ranges that the comments of google/protobuf/duration.proto and timestamp.proto give.
const MAX_DURATION_SECONDS = 315_576_000_000n;
const MIN_TIMESTAMP_SECONDS = -62_135_596_800n;
const MAX_TIMESTAMP_SECONDS = 253_402_300_799n;
const MAX_NANOS = 999_999_999;

/** What Duration and Timestamp are both made of. */
type Seconds = Pick<Duration, "seconds" | "nanos">;

/** The whole as nanoseconds. */
const nanosOf = ({ seconds, nanos }: Seconds): bigint => seconds * NANOS_PER_SECOND + BigInt(nanos);

/** "1.5s", as in JSON. */
export function showDuration(value: Seconds): string {
  const nanos = nanosOf(value);
  const size = nanos < 0n ? -nanos : nanos;
  const fraction = String(size % NANOS_PER_SECOND)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${nanos < 0n ? "-" : ""}${size / NANOS_PER_SECOND}${fraction === "" ? "" : `.${fraction}`}s`;
}

/** RFC 3339 with milliseconds, or the plain numbers where a timestamp is out of range. */
export function showTimestamp(value: Seconds): string {
  if (!isTimestamp(value)) return `${value.seconds}s ${value.nanos}ns since 1970`;
  return new Date(Number(value.seconds) * 1000 + Math.floor(value.nanos / 1_000_000)).toISOString();
}

function isDuration({ seconds, nanos }: Seconds): boolean {
  const isInRange = seconds >= -MAX_DURATION_SECONDS && seconds <= MAX_DURATION_SECONDS;
  const isOneSign = seconds === 0n || nanos === 0 || seconds > 0n === nanos > 0;
  return isInRange && Math.abs(nanos) <= MAX_NANOS && isOneSign;
}

function isTimestamp({ seconds, nanos }: Seconds): boolean {
  return seconds >= MIN_TIMESTAMP_SECONDS && seconds <= MAX_TIMESTAMP_SECONDS && nanos >= 0 && nanos <= MAX_NANOS;
}

const DURATIONS: OrderedKind<Seconds> = { name: "duration", key: nanosOf, show: showDuration };
const TIMESTAMPS: OrderedKind<Seconds> = { name: "timestamp", key: nanosOf, show: showTimestamp };

/** A duration out of its range breaks `duration`, whatever else is asked of it. */
export function durationTests(rules: DurationRules): ValueTests {
  const tests = orderedRules(DURATIONS, rules);
  if (tests.length === 0) return { rules: [] };
  const valid: Rule<Seconds> = {
    name: "duration",
    expected: "must be a duration of at most 315576000000s with nanos of the same sign",
    fails: (value) => !isDuration(value),
  };
  return { rules: [valid, ...tests] };
}

/**
 * A timestamp out of its range breaks `timestamp`, whatever else is asked of it.
 *
 * @param now - milliseconds since 1970
 */
export function timestampTests(rules: TimestampRules, now: () => number): ValueTests {
  const tests = [...orderedRules(TIMESTAMPS, rules), ...nowRules(rules, now)];
  if (tests.length === 0) return { rules: [] };
  const valid: Rule<Seconds> = {
    name: "timestamp",
    expected: "must be a timestamp between the years 1 and 9999",
    fails: (value) => !isTimestamp(value),
  };
  return { rules: [valid, ...tests] };
}

function nowRules(rules: TimestampRules, now: () => number): Rule<Seconds>[] {
  const ahead = (value: Seconds): bigint => nanosOf(value) - BigInt(Math.floor(now())) * 1_000_000n;
  const within = given(rules, "within");
  if (within && nanosOf(within) <= 0n) throw new UnsupportedRule("timestamp.within", "is not a positive duration");
  if (rules.ltNow && rules.gtNow) throw new UnsupportedRule("timestamp.lt_now", "can't stand beside gt_now");
  const tests: Rule<Seconds>[] = [];
  if (rules.ltNow) {
    tests.push({ name: "timestamp.lt_now", expected: "must be in the past", fails: (value) => ahead(value) >= 0n });
  }
  if (rules.gtNow) {
    tests.push({ name: "timestamp.gt_now", expected: "must be in the future", fails: (value) => ahead(value) <= 0n });
  }
  if (within) {
    const most = nanosOf(within);
    tests.push({
      name: "timestamp.within",
      expected: `must be within ${showDuration(within)} of now`,
      fails: (value) => ahead(value) > most || ahead(value) < -most,
    });
  }
  return tests;
}
