// SPDX-License-Identifier: Apache-2.0
import { messageOf, type Logger } from "@ambientmesh/core";

/**
 * Distinct keys to be worked on after the current write: work runs in a microtask, so that it sees a finished store
 * and that the writer's caller sees its effects as soon as it awaits anything.
 */
export class WorkQueue {
  readonly #pending = new Set<string>();
  readonly #work: (key: string) => void;
  readonly #logger: Logger;
  #isScheduled = false;

  constructor(logger: Logger, work: (key: string) => void) {
    this.#logger = logger;
    this.#work = work;
  }

  add(key: string): void {
    this.#pending.add(key);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#drain());
  }

  #drain(): void {
    this.#isScheduled = false;
    for (const key of this.#pending) {
      this.#pending.delete(key);
      try {
        this.#work(key);
      } catch (error) {
        this.#logger.warn("housekeeping failed", { key, error: messageOf(error) });
      }
    }
  }
}
