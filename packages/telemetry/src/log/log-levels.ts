// SPDX-License-Identifier: Apache-2.0
import { LOG_LEVELS, type LogLevel } from "@ambientmesh/core";
import { telemetryErrors } from "../errors.ts";

/** A level, or nothing at all. */
export type LogThreshold = LogLevel | "off";

const MAX_DIRECTIVES = 100;
const SCOPE = /^[A-Za-z0-9_][\w.-]{0,127}$/;

/** Settings of {@link LogLevels}. */
export interface LogLevelsOptions {
  /** Name under which Istio's filters know the program ("ztunnel"): `ztunnel::xds=debug` then means scope `xds`. */
  readonly program?: string;
}

type Directives = Map<string, LogThreshold>;

/** Scope of the directive that holds where no other does. */
const EVERYWHERE = "";

/**
 * Which records are written: a list of `level` and `scope=level`, the longest matching scope decides
 * ("xds=debug" holds for "xds" and "xds.client"). Changeable at run time with the rules of ztunnel's /logging.
 */
export class LogLevels {
  readonly #initial: Directives;
  readonly #options: LogLevelsOptions;
  #directives: Directives;
  #generation = 0;

  /** @throws MeshError LOG_FILTER_INVALID */
  constructor(filter = "info", options: LogLevelsOptions = {}) {
    this.#options = options;
    this.#initial = new Map([[EVERYWHERE, "info"], ...this.#parse(filter)]);
    this.#directives = this.#initial;
  }

  /** Grows with every change, so that loggers may keep what they looked up. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Adds to the filter; a directive for a scope that has one replaces it. Nothing changes if a part is wrong.
   * @throws MeshError LOG_FILTER_INVALID
   */
  append(filter: string): void {
    const changed = new Map([...this.#directives, ...this.#parse(filter)]);
    if (changed.size > MAX_DIRECTIVES) throw invalid(filter, `holds more than ${MAX_DIRECTIVES} scopes`);
    this.#directives = changed;
    this.#generation++;
  }

  /**
   * Back to the filter the program started with, then `filter` on top of it. Nothing changes if a part is wrong.
   * @throws MeshError LOG_FILTER_INVALID
   */
  reset(filter = ""): void {
    this.#directives = new Map([...this.#initial, ...this.#parse(filter)]);
    this.#generation++;
  }

  /** The rank up to which a scope's records are written: -1 for none, else the place in LOG_LEVELS. */
  rankOf(scope: string): number {
    for (let end = scope.length; end > 0; end = scope.lastIndexOf(".", end - 1)) {
      const threshold = this.#directives.get(scope.slice(0, end));
      if (threshold !== undefined) return rank(threshold);
    }
    return rank(this.#directives.get(EVERYWHERE) ?? "off");
  }

  /** True if a record of this scope and level is written. */
  isEnabled(scope: string, level: LogLevel): boolean {
    return rank(level) <= this.rankOf(scope);
  }

  /** The filter in the notation it was given in. */
  toString(): string {
    return [...this.#directives]
      .map(([scope, level]) => (scope === EVERYWHERE ? level : `${scope}=${level}`))
      .join(",");
  }

  #parse(filter: string): Directives {
    const parts = filter
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
    if (parts.length > MAX_DIRECTIVES) throw invalid(filter, `holds more than ${MAX_DIRECTIVES} parts`);
    const directives: Directives = new Map();
    for (const part of parts) {
      const [scope, level] = part.includes("=") ? splitOnce(part) : [undefined, part];
      if (!isThreshold(level)) {
        throw invalid(filter, `names "${level}", which is none of off, ${LOG_LEVELS.join(", ")}`);
      }
      directives.set(scope === undefined ? EVERYWHERE : this.#scopeName(filter, scope), level);
    }
    return directives;
  }

  #scopeName(filter: string, text: string): string {
    const scope = text.replaceAll("::", ".");
    if (!SCOPE.test(scope)) throw invalid(filter, `holds "${text}", which is not the name of a scope`);
    const program = this.#options.program;
    if (scope === program) return EVERYWHERE;
    return program !== undefined && scope.startsWith(`${program}.`) ? scope.slice(program.length + 1) : scope;
  }
}

function splitOnce(part: string): [string, string] {
  const at = part.indexOf("=");
  return [part.slice(0, at), part.slice(at + 1)];
}

export function rank(threshold: LogThreshold): number {
  return threshold === "off" ? -1 : LOG_LEVELS.indexOf(threshold);
}

function isThreshold(text: string): text is LogThreshold {
  return text === "off" || LOG_LEVELS.some((level) => level === text);
}

function invalid(filter: string, problem: string): Error {
  const shown = filter.length > 200 ? `${filter.slice(0, 200)}...` : filter;
  return telemetryErrors.create(
    "LOG_FILTER_INVALID",
    `log filter "${shown}" ${problem}; write it like info or info,xds=debug`,
    { details: { filter: shown } },
  );
}
