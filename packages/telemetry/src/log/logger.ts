// SPDX-License-Identifier: Apache-2.0
import { systemClock, type Clock, type LogFields, type LogLevel, type Logger } from "@ambientmesh/core";
import { LogLevels, rank } from "./log-levels.ts";
import type { LogSink } from "./record.ts";

/** What a logger stands on. */
export interface LoggerDeps {
  readonly output: LogSink;
  /** Shared with the logging route; default: info everywhere, for good. */
  readonly levels?: LogLevels;
  readonly clock?: Clock;
}

/** How a logger begins. */
export interface LoggerOptions {
  readonly scope: string;
  readonly fields?: LogFields;
}

type Core = Required<LoggerDeps>;

class ScopedLogger implements Logger {
  readonly #core: Core;
  readonly #scope: string;
  readonly #fields: LogFields;
  #generation = -1;
  #rank = -1;

  constructor(core: Core, scope: string, fields: LogFields) {
    this.#core = core;
    this.#scope = scope;
    this.#fields = fields;
  }

  isEnabled(level: LogLevel): boolean {
    const { levels } = this.#core;
    if (this.#generation !== levels.generation) {
      this.#generation = levels.generation;
      this.#rank = levels.rankOf(this.#scope);
    }
    return rank(level) <= this.#rank;
  }

  child(scope: string, fields: LogFields = {}): Logger {
    return new ScopedLogger(this.#core, scope, { ...this.#fields, ...fields });
  }

  error(event: string, fields?: LogFields): void {
    this.#write("error", event, fields);
  }

  warn(event: string, fields?: LogFields): void {
    this.#write("warn", event, fields);
  }

  info(event: string, fields?: LogFields): void {
    this.#write("info", event, fields);
  }

  debug(event: string, fields?: LogFields): void {
    this.#write("debug", event, fields);
  }

  trace(event: string, fields?: LogFields): void {
    this.#write("trace", event, fields);
  }

  #write(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (!this.isEnabled(level)) return;
    const { output, clock } = this.#core;
    const all = Object.entries({ ...this.#fields, ...fields });
    output.write({ timeMs: clock.now(), level, scope: this.#scope, message, fields: all });
  }
}

/**
 * A logger over an output.
 *
 * @example
 * await using output = createLogOutput({}, { fd: 1, format: "plain" });
 * const levels = new LogLevels("info,xds=debug");
 * const logger = createLogger({ output, levels }, { scope: "ztunnel" });
 * logger.child("xds").debug("subscribed", { type: "Address" });
 */
export function createLogger(deps: LoggerDeps, options: LoggerOptions): Logger {
  const core = { levels: new LogLevels(), clock: systemClock, ...deps };
  return new ScopedLogger(core, options.scope, options.fields ?? {});
}
