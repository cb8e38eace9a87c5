// SPDX-License-Identifier: Apache-2.0
import { coreErrors } from "../errors.ts";
import { abortedError } from "../time/clock.ts";

/** A first-in, first-out queue that refuses what does not fit. One or more consumers may wait. */
export class BoundedQueue<T> {
  readonly #items: T[] = [];
  readonly #waiting: PromiseWithResolvers<T>[] = [];
  readonly #capacity: number;
  #isClosed = false;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#items.length;
  }

  /** False if the queue is full or closed; the item was not taken then. */
  push(item: T): boolean {
    if (this.#isClosed) return false;
    const consumer = this.#waiting.shift();
    if (consumer) {
      consumer.resolve(item);
      return true;
    }
    if (this.#items.length >= this.#capacity) return false;
    this.#items.push(item);
    return true;
  }

  /**
   * The next item, waiting for it if there is none.
   * @throws MeshError QUEUE_CLOSED when closed and empty, ABORTED when the signal aborts first.
   */
  async pop(signal?: AbortSignal): Promise<T> {
    if (this.#items.length > 0) return this.#items.shift() as T;
    if (this.#isClosed) throw coreErrors.create("QUEUE_CLOSED", "the queue was closed");
    if (signal?.aborted) throw abortedError(signal, "waiting for a queue");
    const consumer = Promise.withResolvers<T>();
    this.#waiting.push(consumer);
    const onAbort = (): void => {
      const at = this.#waiting.indexOf(consumer);
      if (at >= 0) this.#waiting.splice(at, 1);
      if (signal) consumer.reject(abortedError(signal, "waiting for a queue"));
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await consumer.promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** No more items are taken; those inside can still be popped, waiting consumers are refused. */
  close(): void {
    this.#isClosed = true;
    for (const consumer of this.#waiting.splice(0)) {
      consumer.reject(coreErrors.create("QUEUE_CLOSED", "the queue was closed"));
    }
  }
}
