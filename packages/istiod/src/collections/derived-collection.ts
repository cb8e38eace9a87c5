// SPDX-License-Identifier: Apache-2.0
import { errors } from "../errors.ts";
import type { CollectionIndex } from "./collection-index.ts";
import { Collection } from "./collection.ts";
import { DirtyKeys } from "./dirty-keys.ts";
import { Reads } from "./reads.ts";
import type { Watch, Watcher } from "./watch.ts";

/** Something that a derivation may read: a collection or an index. */
export interface Readable {
  readonly name: string;
  readonly level: number;
}

/** How a derivation reads what is not its own input; every read is remembered as a dependency. */
export interface Fetch {
  /** One object, or the knowledge that it is absent. */
  one<T>(collection: Collection<T>, key: string): T | undefined;
  /** Objects under one index value; changes of objects that do not satisfy `where` are no reason to derive again. */
  many<T>(index: CollectionIndex<T>, value: string, where?: (item: T) => boolean): T[];
}

/** Objects with keys that are unique in the derived collection. */
export type Outputs<Out> = Iterable<readonly [key: string, item: Out]>;

/** How a derived collection comes about. */
export interface Derivation<In, Out> {
  readonly name: string;
  /** Each object of it is derived by itself. */
  readonly from: Collection<In>;
  /** Everything that {@link Fetch} may be asked for. */
  readonly reads?: readonly Readable[];
  /** Pure: the same input and reads give equal outputs. */
  readonly derive: (input: In, fetch: Fetch, key: string) => Outputs<Out>;
  /** Replacing an object by an equal one is no change. */
  readonly equals: (a: Out, b: Out) => boolean;
  /**
   * What stands for an input whose derivation threw. Default: what it gave last, so that an object which
   * turned bad changes nothing and one that never was good gives nothing.
   */
  readonly whenFailed?: (input: In, key: string, error: unknown) => Outputs<Out>;
}

/** Told of each derivation that threw. */
export type OnFailure = (failure: { collection: string; key: string; error: unknown }) => void;

interface InputState {
  readonly outputKeys: readonly string[];
  readonly watches: readonly Watch<never>[];
}

const NOTHING: InputState = { outputKeys: [], watches: [] };

/** Part of a graph that catches up when asked to. */
export interface Settling {
  readonly isDirty: boolean;
  /** Derives one invalidated input again. */
  settleOne(): void;
}

/** A collection computed from another, one input at a time, again only when something it has read changed. */
export class DerivedCollection<In, Out> extends Collection<Out> implements Watcher, Settling {
  readonly #derivation: Derivation<In, Out>;
  readonly #onFailure: OnFailure;
  readonly #inputs = new Map<string, InputState>();
  readonly #dirty = new DirtyKeys();
  readonly #readable: ReadonlySet<unknown>;

  constructor(derivation: Derivation<In, Out>, onFailure: OnFailure) {
    const read = [derivation.from, ...(derivation.reads ?? [])];
    super(derivation.name, 1 + Math.max(...read.map(({ level }) => level)));
    this.#derivation = derivation;
    this.#onFailure = onFailure;
    this.#readable = new Set(read);
    derivation.from.follow((key) => this.invalidate(key));
  }

  get isDirty(): boolean {
    return !this.#dirty.isEmpty;
  }

  invalidate(inputKey: string): void {
    this.#dirty.add(inputKey);
  }

  /** Every input is derived again. */
  invalidateAll(): void {
    for (const [key] of this.#derivation.from.entries()) this.invalidate(key);
  }

  settleOne(): void {
    const key = this.#dirty.take();
    if (key === undefined) return;
    const { outputKeys, watches } = this.#inputs.get(key) ?? NOTHING;
    const input = this.#derivation.from.get(key);
    if (input === undefined) {
      this.#inputs.delete(key);
      for (const watch of watches) watch.forget();
      for (const outputKey of outputKeys) this.replace(outputKey, undefined);
      return;
    }
    const reads = new Reads({ watcher: this, inputKey: key }, watches);
    const outputs = this.#run(input, key, reads);
    this.#inputs.set(key, { outputKeys: this.#store(outputs, outputKeys), watches: reads.finish() });
  }

  /** Undefined: what is there stays. */
  #run(input: In, key: string, reads: Reads): ReadonlyMap<string, Out> | undefined {
    const { derive, whenFailed } = this.#derivation;
    try {
      const outputs = new Map(derive(input, this.#fetchWith(reads), key));
      this.#refuseTaken(outputs.keys(), this.#inputs.get(key)?.outputKeys ?? []);
      return outputs;
    } catch (error) {
      if (errors.is(error, "ISTIOD_UNDECLARED_READ")) throw error;
      this.#onFailure({ collection: this.name, key, error });
      return whenFailed && new Map(whenFailed(input, key, error));
    }
  }

  #store(outputs: ReadonlyMap<string, Out> | undefined, previousKeys: readonly string[]): readonly string[] {
    if (!outputs) return previousKeys;
    for (const key of previousKeys) if (!outputs.has(key)) this.replace(key, undefined);
    for (const [key, item] of outputs) {
      const current = this.get(key);
      if (current === undefined || !this.#derivation.equals(current, item)) this.replace(key, item);
    }
    return [...outputs.keys()];
  }

  #refuseTaken(keys: Iterable<string>, own: readonly string[]): void {
    for (const key of keys) {
      if (this.get(key) === undefined || own.includes(key)) continue;
      throw errors.create("ISTIOD_DUPLICATE_KEY", `${this.name} has "${key}" from another object already`, {
        details: { collection: this.name, key },
      });
    }
  }

  #fetchWith(reads: Reads): Fetch {
    return {
      one: (collection, key) => {
        this.#checkDeclared(collection);
        reads.note(collection.watches, key, undefined);
        return collection.get(key);
      },
      many: (index, value, where) => {
        this.#checkDeclared(index);
        reads.note(index.watches, value, where);
        const items = [...index.lookup(value)];
        return where ? items.filter(where) : items;
      },
    };
  }

  #checkDeclared(readable: Readable): void {
    if (this.#readable.has(readable)) return;
    throw errors.create("ISTIOD_UNDECLARED_READ", `${this.name} reads "${readable.name}" without declaring it`);
  }
}
