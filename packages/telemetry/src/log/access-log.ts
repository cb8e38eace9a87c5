// SPDX-License-Identifier: Apache-2.0
import { systemClock, type LogLevel } from "@ambientmesh/core";
import { LogLevels } from "./log-levels.ts";
import type { LoggerDeps } from "./logger.ts";
import type { LogField } from "./record.ts";

/** Lines about connections; the caller names the fields and their order. */
export interface AccessLog {
  /** Guards the work of collecting fields. */
  isEnabled(level: LogLevel): boolean;
  /** Fields with an undefined value are left out; wrap addresses in {@link bare}. */
  write(level: LogLevel, message: string, fields: readonly LogField[]): void;
}

/** An access log over an output, under its own scope so that it has its own level ("access", as in ztunnel). */
export function createAccessLog(deps: LoggerDeps, options: { readonly scope?: string } = {}): AccessLog {
  const { output, levels = new LogLevels(), clock = systemClock } = deps;
  const { scope = "access" } = options;
  return {
    isEnabled: (level) => levels.isEnabled(scope, level),
    write(level, message, fields) {
      if (!levels.isEnabled(scope, level)) return;
      output.write({ timeMs: clock.now(), level, scope, message, fields });
    },
  };
}
