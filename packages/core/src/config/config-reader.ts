// SPDX-License-Identifier: Apache-2.0
import { coreErrors } from "../errors.ts";
import { formatDurationMs, parseDurationMs } from "./duration.ts";

/** One setting of a program, as documented in docs/reference/configuration.md. */
export interface Variable<T> {
  /** Name of the environment variable. */
  readonly name: string;
  /** Used when the variable is unset. */
  readonly default: T;
  /** One sentence: what it does, and why the default is what it is. */
  readonly description: string;
}

/** A setting as it was read, for the documentation and for config dumps. */
export interface DeclaredVariable {
  readonly name: string;
  readonly kind: string;
  readonly default: string;
  readonly description: string;
}

/** How a kind of setting is read, and how its default is shown. */
interface Form<T, D> {
  readonly kind: string;
  /** Throws an error whose message goes on after the setting's name and value. */
  readonly parse: (text: string) => T;
  readonly format?: (value: NonNullable<D>) => string;
}

/**
 * Reads settings from an environment, collecting every problem instead of stopping at the first,
 * and remembering what was declared so that documentation can be made from it.
 */
export class ConfigReader {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #problems: string[] = [];
  readonly #declared: DeclaredVariable[] = [];

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env;
  }

  get declared(): readonly DeclaredVariable[] {
    return this.#declared;
  }

  get problems(): readonly string[] {
    return this.#problems;
  }

  string<T extends string | undefined>(variable: Variable<T>): string | T {
    return this.#read(variable, { kind: "text", parse: (text) => text });
  }

  /** An empty variable counts as unset for every kind but text. */
  integer<T extends number | undefined>(
    variable: Variable<T> & { readonly min?: number; readonly max?: number },
  ): number | T {
    const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = variable;
    const parse = (text: string): number => {
      const value = Number(text);
      if (!/^[+-]?\d+$/.test(text) || value < min || value > max) {
        throw new RangeError(`is not a whole number from ${min} to ${max}`);
      }
      return value;
    };
    return this.#read(variable, { kind: "integer", parse });
  }

  /** Exactly "true" or "false", as in Istio. */
  boolean<T extends boolean | undefined>(variable: Variable<T>): boolean | T {
    const parse = (text: string): boolean => {
      if (text !== "true" && text !== "false") throw new TypeError('is neither "true" nor "false"');
      return text === "true";
    };
    return this.#read(variable, { kind: "true|false", parse });
  }

  /** A Go-style duration ("10s", "1h30m"), read in ms. */
  durationMs<T extends number | undefined>(variable: Variable<T>): number | T {
    return this.#read(variable, { kind: "duration", parse: parseDurationMs, format: formatDurationMs });
  }

  oneOf<const T extends string, D extends T | undefined>(
    variable: Variable<D> & { readonly values: readonly T[] },
  ): T | D {
    const parse = (text: string): T => {
      const value = variable.values.find((candidate) => candidate === text);
      if (value === undefined) throw new TypeError(`is none of ${variable.values.join(", ")}`);
      return value;
    };
    return this.#read(variable, { kind: variable.values.join("|"), parse });
  }

  /** Comma separated; blanks around items and empty items are dropped. */
  list(variable: Variable<readonly string[]>): readonly string[] {
    const parse = (text: string): readonly string[] =>
      text
        .split(",")
        .map((item) => item.trim())
        .filter((item) => item !== "");
    return this.#read(variable, { kind: "list", parse });
  }

  /** Records a problem that involves several settings. */
  problem(text: string): void {
    this.#problems.push(text);
  }

  /** @throws MeshError CONFIG_INVALID with every problem found. */
  finish(program: string): void {
    if (this.#problems.length === 0) return;
    throw coreErrors.create("CONFIG_INVALID", `${program} can't start: ${this.#problems.join("; ")}`, {
      details: { problems: this.#problems },
    });
  }

  #read<T, D>(variable: Variable<D>, { kind, parse, format = String }: Form<T, D>): T | D {
    const fallback = variable.default;
    this.#declared.push({
      name: variable.name,
      kind,
      default: fallback === undefined || fallback === null ? "" : format(fallback),
      description: variable.description,
    });
    const text = this.#env[variable.name];
    if (text === undefined || (text === "" && kind !== "text")) return fallback;
    try {
      return parse(text);
    } catch (error) {
      this.#problems.push(`${variable.name}="${text}" ${error instanceof Error ? error.message : String(error)}`);
      return fallback;
    }
  }
}
