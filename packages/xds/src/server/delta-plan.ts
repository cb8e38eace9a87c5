// SPDX-License-Identifier: Apache-2.0
import type { EncodedResource } from "../cache/resource.ts";
import type { ResourceView } from "../cache/source.ts";
import { deltaRemovalSize, deltaResourceSize, encodeDelta, type ResponseHead } from "../protocol/encode.ts";

/** Collects the content of one delta response up to a size. */
export class DeltaPlan {
  readonly withAliases: boolean;
  readonly #limit: number;
  readonly resources: EncodedResource[] = [];
  readonly removed: string[] = [];
  readonly #names = new Set<string>();
  #size = 0;
  #bytes: Uint8Array | undefined;
  /** Position of the view that this response brings a wildcard client to. */
  end = 0;

  constructor(limit: number, withAliases: boolean) {
    this.#limit = limit;
    this.withAliases = withAliases;
  }

  get size(): number {
    return this.#size;
  }

  get isEmpty(): boolean {
    return this.#names.size === 0;
  }

  /** False if the response is full; a single resource above the limit still gets a response of its own. */
  add(resource: EncodedResource): boolean {
    return this.#take(resource.name, deltaResourceSize(resource, this.withAliases), () =>
      this.resources.push(resource),
    );
  }

  /** False if the response is full. */
  remove(name: string): boolean {
    return this.#take(name, deltaRemovalSize(name), () => this.removed.push(name));
  }

  /** Encodes at the first call; later calls give the same bytes whatever head they pass. */
  encode(head: ResponseHead): Uint8Array {
    this.#bytes ??= encodeDelta(head, this);
    return this.#bytes;
  }

  #take(name: string, size: number, push: () => void): boolean {
    if (this.#names.has(name)) return true;
    if (!this.isEmpty && this.#size + size > this.#limit) return false;
    this.#names.add(name);
    this.#size += size;
    push();
    return true;
  }
}

/** From where to where a wildcard client is brought. */
export interface WildcardRange {
  readonly cursor: number;
  readonly until: number;
  /** Removals up to here concern names that the client never had. */
  readonly knownSince: number;
}

/** The next response of a wildcard client that has everything up to the cursor; depends on nothing but the range. */
export function planWildcard(view: ResourceView, range: WildcardRange, limit: number): DeltaPlan {
  const plan = new DeltaPlan(limit, false);
  plan.end = range.until;
  for (const entry of view.after(range.cursor, range.until)) {
    const fits = entry.resource ? plan.add(entry.resource) : entry.seq <= range.knownSince || plan.remove(entry.name);
    if (!fits) return plan;
    plan.end = entry.seq;
  }
  plan.end = range.until;
  return plan;
}
