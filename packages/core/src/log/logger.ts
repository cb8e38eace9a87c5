// SPDX-License-Identifier: Apache-2.0

/** Severities, most severe first. */
export const LOG_LEVELS = ["error", "warn", "info", "debug", "trace"] as const;
/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Plain data beside an event; errors are allowed under `error`. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Structured log. `event` is a short constant sentence, everything that varies is a field.
 * Libraries get one by injection and default to {@link silentLogger}; they never write to the console.
 */
export interface Logger {
  /** True if records of this level are written now; guards costly fields. */
  isEnabled(level: LogLevel): boolean;
  /** A logger whose records carry the scope ("xds", "xds.client") and the fields. */
  child(scope: string, fields?: LogFields): Logger;
  error(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
  trace(event: string, fields?: LogFields): void;
}

const drop = (): void => {};

/** Drops everything. */
export const silentLogger: Logger = {
  isEnabled: () => false,
  child: () => silentLogger,
  error: drop,
  warn: drop,
  info: drop,
  debug: drop,
  trace: drop,
};
