// SPDX-License-Identifier: Apache-2.0
import type { ResourceView } from "../cache/source.ts";
import type { Step } from "./subscription.ts";

/** A type of one client, as the queue sees it. */
export interface QueuedType {
  /** Lower ones come first. */
  readonly rank: number;
  readonly view: Pick<ResourceView, "head">;
  /** The next step on the way to position `until` of the view. */
  next(until: number): Step;
}

/** Which type does what next. */
export interface QueuedStep<Type> {
  readonly type: Type;
  readonly step: Exclude<Step, { kind: "idle" }>;
}

/**
 * The order in which the types of one client are served.
 *
 * Passes go over the types by rank. A pass brings each type to where its view stood when the pass began, all of it
 * before the next type, however many responses that takes: routes never precede their clusters, and a client that takes
 * the first answer of its last type for "everything is here" is right. What changes during a pass waits for the next
 * one, so a busy type can't keep the later ones waiting.
 */
export class TypeQueue<Type extends QueuedType> {
  readonly #types: Type[] = [];
  readonly #until: number[] = [];
  #at = 0;

  /** Adds a type; it takes part in the running pass unless that is past its rank. */
  add(type: Type): void {
    const found = this.#types.findIndex((other) => other.rank > type.rank);
    const at = found < 0 ? this.#types.length : found;
    this.#types.splice(at, 0, type);
    this.#until.splice(at, 0, type.view.head);
    if (at < this.#at) this.#at++;
  }

  /** The next step of this client; undefined if it has everything. */
  next(): QueuedStep<Type> | undefined {
    const inPass = this.#advance();
    if (inPass) return inPass;
    this.#at = 0;
    for (const [at, type] of this.#types.entries()) this.#until[at] = type.view.head;
    return this.#advance();
  }

  #advance(): QueuedStep<Type> | undefined {
    for (; this.#at < this.#types.length; this.#at++) {
      const type = this.#types[this.#at] as Type;
      const step = type.next(this.#until[this.#at] as number);
      if (step.kind !== "idle") return { type, step };
    }
    return undefined;
  }
}
