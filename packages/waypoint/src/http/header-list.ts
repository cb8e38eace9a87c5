// SPDX-License-Identifier: Apache-2.0

/** One header: name in lower case, and its value. */
export type HeaderField = readonly [name: string, value: string];

/** Headers of a message in their order; names in lower case, pseudo headers not among them. */
export class HeaderList {
  #fields: HeaderField[];

  constructor(fields: readonly HeaderField[] = []) {
    this.#fields = [...fields];
  }

  /** From `[name, value, name, value, ...]` as node:http and node:http2 give them; pseudo headers are left out. */
  static fromRaw(raw: readonly string[]): HeaderList {
    const list = new HeaderList();
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = (raw[at] ?? "").toLowerCase();
      if (!name.startsWith(":")) list.#fields.push([name, raw[at + 1] ?? ""]);
    }
    return list;
  }

  get size(): number {
    return this.#fields.length;
  }

  has(name: string): boolean {
    return this.#fields.some(([known]) => known === name);
  }

  /** The value; several are joined by "," as in Envoy. */
  get(name: string): string | undefined {
    let found: string | undefined;
    for (const [known, value] of this.#fields) {
      if (known === name) found = found === undefined ? value : `${found},${value}`;
    }
    return found;
  }

  /** Each value by itself. */
  values(name: string): readonly string[] {
    return this.#fields.flatMap(([known, value]) => (known === name ? [value] : []));
  }

  /** Replaces all values of the name by one. */
  set(name: string, value: string): void {
    const at = this.#fields.findIndex(([known]) => known === name);
    if (at < 0) return this.append(name, value);
    this.#fields[at] = [name, value];
    this.#fields = this.#fields.filter(([known], index) => known !== name || index === at);
  }

  append(name: string, value: string): void {
    this.#fields.push([name, value]);
  }

  remove(name: string): void {
    if (this.has(name)) this.#fields = this.#fields.filter(([known]) => known !== name);
  }

  /** Keeps those that pass. */
  filter(test: (name: string, value: string) => boolean): void {
    this.#fields = this.#fields.filter(([name, value]) => test(name, value));
  }

  clone(): HeaderList {
    return new HeaderList(this.#fields);
  }

  [Symbol.iterator](): IterableIterator<HeaderField> {
    return this.#fields[Symbol.iterator]();
  }

  /** Octets as HTTP counts them: names and values. */
  get octets(): number {
    return this.#fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  }

  /** `[name, value, ...]` for node:http; names given twice stay two. */
  toRaw(): string[] {
    return this.#fields.flat();
  }

  /** For node:http2: an object where names given twice have lists. */
  toObject(): Record<string, string | string[]> {
    const object: Record<string, string | string[]> = {};
    for (const [name, value] of this.#fields) {
      const before = object[name];
      if (before === undefined) object[name] = value;
      else if (typeof before === "string") object[name] = [before, value];
      else before.push(value);
    }
    return object;
  }
}
