// SPDX-License-Identifier: Apache-2.0
import type { ResourceView } from "../cache/source.ts";

/**
 * Responses that several clients need right now, so that a change is looked up and encoded once for all of them.
 * Bounded by bytes; the oldest go first.
 */
export class SharedPlans<Plan extends { readonly size: number }> {
  readonly #maxBytes: number;
  readonly #plans = new Map<string, Plan>();
  readonly #idOf = new WeakMap<ResourceView, number>();
  #lastId = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now, as planned; at most the limit. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The plan for `key` of a view, made at the first call. */
  get(view: ResourceView, key: string, make: () => Plan): Plan {
    const id = `${this.#id(view)}:${key}`;
    const known = this.#plans.get(id);
    if (known) return known;
    const plan = make();
    if (plan.size > this.#maxBytes) return plan;
    this.#plans.set(id, plan);
    this.#bytes += plan.size;
    this.#trim();
    return plan;
  }

  #trim(): void {
    for (const [id, plan] of this.#plans) {
      if (this.#bytes <= this.#maxBytes && this.#plans.size <= MAX_PLANS) return;
      this.#plans.delete(id);
      this.#bytes -= plan.size;
    }
  }

  #id(view: ResourceView): number {
    let id = this.#idOf.get(view);
    if (id === undefined) {
      id = ++this.#lastId;
      this.#idOf.set(view, id);
    }
    return id;
  }
}

// Clients that fell behind by different amounts need different responses; beyond this many, sharing is luck.
const MAX_PLANS = 256;
