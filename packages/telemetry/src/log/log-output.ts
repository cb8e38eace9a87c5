// SPDX-License-Identifier: Apache-2.0
import { systemClock } from "@ambientmesh/core";
import { createFormatter, type LogFormat } from "./format.ts";
import { LineWriter, type LineWriterDeps, type LineWriterOptions } from "./line-writer.ts";
import type { LogSink } from "./record.ts";

/** Where a program's log and access log end. */
export interface LogOutput extends LogSink, AsyncDisposable {
  /** Lines lost since the start. */
  readonly dropped: number;
  /** Writes what is queued now; done by itself when the process exits. */
  flushSync(): void;
}

/** A {@link LineWriter}'s limits and the format of its lines. */
export interface LogOutputOptions extends Omit<LineWriterOptions, "lostNotice"> {
  readonly format: LogFormat;
}

/**
 * One writer for everything a program logs, so that lines of log and access log never mix.
 *
 * @example
 * await using output = createLogOutput({}, { fd: 1, format: "json" });
 */
export function createLogOutput(deps: LineWriterDeps, options: LogOutputOptions): LogOutput {
  const clock = deps.clock ?? systemClock;
  const format = createFormatter(options.format);
  const lostNotice = (lines: number): string =>
    format({
      timeMs: clock.now(),
      level: "warn",
      scope: "log",
      message: "log lines were dropped",
      fields: [["lines", lines]],
    });
  const writer = new LineWriter(deps, { ...options, lostNotice });
  return {
    get dropped() {
      return writer.dropped;
    },
    write: (record) => writer.write(format(record)),
    flushSync: () => writer.flushSync(),
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}
