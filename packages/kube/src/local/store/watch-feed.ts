// SPDX-License-Identifier: Apache-2.0
import { BoundedQueue, isMeshError } from "@ambientmesh/core";
import { kubeErrors } from "../../errors.ts";
import type { KindTable, StoreEvent } from "./kind-table.ts";
import { selectedEvent, type SelectedEvent, type Selection } from "./selection.ts";

/** What a feed gives: changes, and bookmarks, which say only how far it has come. */
export type WatchedEvent = SelectedEvent | { readonly type: "BOOKMARK"; readonly resourceVersion: number };

/** Changes of a selection, one after another, for one watcher. */
export class WatchFeed implements Disposable {
  readonly #queue: BoundedQueue<WatchedEvent>;
  readonly #selection: Selection;
  readonly #listening: Disposable;
  readonly #capacity: number;
  #seen: number;
  #isOverrun = false;

  /**
   * Starts to listen; changes after `since` that the table remembers come first.
   * @throws MeshError KUBE_EXPIRED when the table does not remember that far.
   */
  constructor(table: KindTable, selection: Selection, options: { readonly since: number; readonly capacity: number }) {
    const missed = table.since(options.since);
    this.#selection = selection;
    this.#seen = options.since;
    this.#capacity = options.capacity;
    this.#queue = new BoundedQueue(Math.max(options.capacity, missed.length));
    for (const event of missed) this.#take(event);
    this.#listening = table.listen((event) => this.#take(event));
  }

  /** How many changes wait to be read. */
  get backlog(): number {
    return this.#queue.size;
  }

  /**
   * The next change; undefined when the feed was disposed or the signal aborted.
   * @throws MeshError KUBE_EXPIRED when the reader was too slow and changes had to be dropped: it has to list again.
   */
  async next(signal: AbortSignal): Promise<WatchedEvent | undefined> {
    try {
      return await this.#queue.pop(signal);
    } catch (error) {
      if (!isMeshError(error, "ABORTED") && !isMeshError(error, "QUEUE_CLOSED")) throw error;
      if (!this.#isOverrun || signal.aborted) return undefined;
      const message = `the watch is more than ${this.#capacity} changes behind; list again`;
      throw kubeErrors.create("KUBE_EXPIRED", message);
    }
  }

  /** Puts a bookmark behind the changes that wait. It is left out when the queue is full, as nobody relies on it. */
  bookmark(): void {
    this.#queue.push({ type: "BOOKMARK", resourceVersion: this.#seen });
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]();
    this.#queue.close();
  }

  #take(event: StoreEvent): void {
    this.#seen = event.resourceVersion;
    const selected = selectedEvent(this.#selection, event);
    if (selected === undefined || this.#isOverrun || this.#queue.push(selected)) return;
    this.#isOverrun = true;
    this.#queue.close();
  }
}
