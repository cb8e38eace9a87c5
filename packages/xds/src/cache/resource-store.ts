// SPDX-License-Identifier: Apache-2.0
import { KeyIndex } from "./key-index.ts";
import { encodeResource, isSameResource, type EncodedResource, type ResourceInput } from "./resource.ts";
import { ResourceLog, type LogEntry } from "./resource-log.ts";
import type { LogReader, ResourceFeed, ResourceSource, ResourceView } from "./source.ts";

/** How a store fits into its surroundings. */
export interface ResourceStoreOptions {
  /** Called when the first change waits for {@link ResourceStore.publish}. */
  readonly onPending?: () => void;
}

/**
 * The resources of one type, encoded once. Changes collect until {@link publish}, which applies all of them in one
 * step and tells every reader once; a change that is undone before that is never seen.
 *
 * @example
 * const store = new ResourceStore(ADDRESS_TYPE_URL);
 * store.set({ name: workload.uid, value: toBinary(AddressSchema, address), aliases: ["/10.0.0.1"] });
 * store.publish();
 */
export class ResourceStore implements ResourceView, ResourceSource {
  readonly typeUrl: string;
  readonly #options: ResourceStoreOptions;
  readonly #log = new ResourceLog();
  readonly #pending = new Map<string, EncodedResource | undefined>();
  readonly #readers = new Set<LogReader>();
  // Only clients that ask by name need it, so it is built when the first one does.
  #index: KeyIndex | undefined;

  constructor(typeUrl: string, options: ResourceStoreOptions = {}) {
    this.typeUrl = typeUrl;
    this.#options = options;
  }

  get head(): number {
    return this.#log.head;
  }

  get size(): number {
    return this.#log.size;
  }

  /** How many changes wait to be published. */
  get pendingSize(): number {
    return this.#pending.size;
  }

  /** Adds or changes a resource. False if nothing differs from what is there or pending. */
  set(input: ResourceInput): boolean {
    const resource = encodeResource(this.typeUrl, input);
    const latest = this.#latest(input.name);
    if (latest && isSameResource(latest, resource)) return false;
    const published = this.#log.get(input.name);
    if (published && isSameResource(published, resource)) this.#pending.delete(input.name);
    else this.#change(input.name, resource);
    return true;
  }

  /** Removes a resource. False if it is not there. */
  delete(name: string): boolean {
    if (!this.#latest(name)) return false;
    if (this.#log.get(name)) this.#change(name, undefined);
    else this.#pending.delete(name);
    return true;
  }

  /** Makes the given resources the only ones. */
  replaceAll(inputs: Iterable<ResourceInput>): void {
    const names = new Set<string>();
    for (const input of inputs) {
      names.add(input.name);
      this.set(input);
    }
    const gone = [...this.#pending.keys(), ...this.names()].filter((name) => !names.has(name));
    for (const name of gone) this.delete(name);
  }

  /** Applies what is pending and tells the readers. False if there was nothing. */
  publish(): boolean {
    if (this.#pending.size === 0) return false;
    for (const [name, resource] of this.#pending) {
      this.#reindex(this.#log.get(name), resource);
      this.#log.append(name, resource);
    }
    this.#pending.clear();
    if (this.#log.isDueForCompaction) this.#log.compact(this.#seenByAll());
    for (const reader of this.#readers) reader.changed();
    return true;
  }

  get(name: string): EncodedResource | undefined {
    return this.#log.get(name);
  }

  find(name: string): readonly EncodedResource[] {
    const found = new Set([name, ...this.#builtIndex().names(name)]);
    return [...found].map((each) => this.#log.get(each)).filter((resource) => resource !== undefined);
  }

  after(cursor: number, until: number): Iterable<LogEntry> {
    return this.#log.after(cursor, until);
  }

  resources(): Iterable<EncodedResource> {
    return this.#log.resources();
  }

  *names(): Generator<string, void, undefined> {
    for (const resource of this.#log.resources()) yield resource.name;
  }

  attach(reader: LogReader): Disposable {
    this.#readers.add(reader);
    return { [Symbol.dispose]: () => void this.#readers.delete(reader) };
  }

  /** The same view for every client. */
  open(): ResourceFeed {
    return { view: this, [Symbol.dispose]: () => {} };
  }

  #latest(name: string): EncodedResource | undefined {
    return this.#pending.has(name) ? this.#pending.get(name) : this.#log.get(name);
  }

  #change(name: string, resource: EncodedResource | undefined): void {
    this.#pending.set(name, resource);
    this.#options.onPending?.();
  }

  #reindex(before: EncodedResource | undefined, after: EncodedResource | undefined): void {
    if (!this.#index) return;
    if (before) this.#index.remove(before);
    if (after) this.#index.add(after);
  }

  #builtIndex(): KeyIndex {
    if (this.#index) return this.#index;
    this.#index = new KeyIndex();
    for (const resource of this.#log.resources()) this.#index.add(resource);
    return this.#index;
  }

  #seenByAll(): number {
    let seen = this.#log.head;
    for (const reader of this.#readers) seen = Math.min(seen, reader.cursor);
    return seen;
  }
}
