// SPDX-License-Identifier: Apache-2.0
import { ztunnelErrors } from "../errors.ts";

/** Says what is wrong with a local configuration, and where. */
export function invalid(path: string, text: string): Error {
  return ztunnelErrors.create("ZTUNNEL_LOCAL_CONFIG", `the local configuration can't be used: ${path} ${text}`);
}

/** A list; one that is missing is empty. */
export function listOf(path: string, value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw invalid(path, "is not a list");
}

export function textOf(path: string, value: unknown): string {
  if (typeof value === "string" || typeof value === "number") return String(value);
  throw invalid(path, "is not a text");
}

/**
 * One mapping of a YAML document, read key by key. What nobody read is refused in the end, since a setting that has no
 * effect is worse than none.
 */
export class YamlMapping {
  readonly path: string;
  readonly #values: ReadonlyMap<string, unknown>;
  readonly #unread: Set<string>;

  /** @throws MeshError ZTUNNEL_LOCAL_CONFIG, as all methods */
  constructor(path: string, value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(path, "is not a mapping");
    this.path = path;
    this.#values = new Map(Object.entries(value).filter(([, entry]) => entry !== null && entry !== undefined));
    this.#unread = new Set(this.#values.keys());
  }

  pathOf(key: string): string {
    return `${this.path}.${key}`;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  get(key: string): unknown {
    this.#unread.delete(key);
    return this.#values.get(key);
  }

  required(key: string): unknown {
    if (!this.has(key)) throw invalid(this.pathOf(key), "is missing");
    return this.get(key);
  }

  text(key: string, fallback = ""): string {
    return this.has(key) ? textOf(this.pathOf(key), this.get(key)) : fallback;
  }

  number(key: string, fallback: number): number {
    const value = this.get(key) ?? fallback;
    if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
    throw invalid(this.pathOf(key), "is not a whole number");
  }

  flag(key: string): boolean {
    const value = this.get(key) ?? false;
    if (typeof value === "boolean") return value;
    throw invalid(this.pathOf(key), "is neither true nor false");
  }

  /** What a name stands for; the first entry of the table where there is none. */
  choice<Value>(key: string, values: Readonly<Record<string, Value>>): Value {
    const name = this.text(key, Object.keys(values)[0]);
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value !== undefined) return value;
    throw invalid(this.pathOf(key), `is none of ${Object.keys(values).join(", ")}`);
  }

  texts(key: string): readonly string[] {
    return this.list(key).map((value, at) => textOf(`${this.pathOf(key)}[${at}]`, value));
  }

  list(key: string): readonly unknown[] {
    return listOf(this.pathOf(key), this.get(key));
  }

  mapping(key: string): YamlMapping | undefined {
    return this.has(key) ? new YamlMapping(this.pathOf(key), this.get(key)) : undefined;
  }

  /** All keys with their values, whatever they are. */
  entries(): readonly (readonly [string, unknown])[] {
    this.#unread.clear();
    return [...this.#values];
  }

  /** Call when everything was read. */
  finish(): void {
    const [unknown] = this.#unread;
    if (unknown !== undefined) throw invalid(this.pathOf(unknown), "is not known");
  }
}
