// SPDX-License-Identifier: Apache-2.0
import { PRIORITIES, type Priority } from "../svid/certificate-source.ts";

/** Things that may be done now: the most urgent first, among equals the one that waits longest. Each is there once. */
export class ReadyQueue<T> {
  readonly #lanes: Readonly<Record<Priority, Set<T>>> = {
    RealTime: new Set(),
    Warmup: new Set(),
    Background: new Set(),
  };

  get size(): number {
    return PRIORITIES.reduce((sum, priority) => sum + this.#lanes[priority].size, 0);
  }

  /** Adds an item or makes it more urgent. Asking again with less urgency changes nothing. */
  add(item: T, priority: Priority): void {
    const present = PRIORITIES.find((candidate) => this.#lanes[candidate].has(item));
    if (present !== undefined && PRIORITIES.indexOf(present) <= PRIORITIES.indexOf(priority)) return;
    this.delete(item);
    this.#lanes[priority].add(item);
  }

  delete(item: T): void {
    for (const priority of PRIORITIES) this.#lanes[priority].delete(item);
  }

  /** Removes and returns the next item. */
  take(): T | undefined {
    for (const priority of PRIORITIES) {
      const [first] = this.#lanes[priority];
      if (first === undefined) continue;
      this.#lanes[priority].delete(first);
      return first;
    }
    return undefined;
  }
}
